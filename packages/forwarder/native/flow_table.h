// The rules of one forwarding thread and what they do to packets. No sockets, no clock, no threads: time is an argument
// and everything that leaves goes into a sink. Never blocks.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "counters.h"
#include "egress.h"
#include "event_queue.h"
#include "group.h"
#include "ingress.h"
#include "peer.h"
#include "rtcp.h"
#include "run_planner.h"
#include "source_limiter.h"
#include "types.h"

namespace conclave {

// Where datagrams and events go.
class Sink {
 public:
  virtual ~Sink() = default;
  // Room for one datagram of kMaxOutgoing bytes, valid until Commit or the next Reserve.
  virtual uint8_t* Reserve() = 0;
  // Sends what was written there. Media may be dropped when its receiver is slow.
  virtual void Commit(const PathKey& path, size_t length, bool media) = 0;
  virtual void Emit(EventRecord* record, bool from_anyone) = 0;
  // Closes the socket if it is an accepted TCP connection or a relayed path.
  virtual void CloseConnection(SocketId socket) = 0;
  // Makes `socket` stand for a channel on a datagram path, and what is sent on it go there.
  virtual void AddRelayedPath(SocketId socket, const PathKey& via, uint16_t channel, const NetAddress& peer) = 0;
};

class FlowTable {
 public:
  FlowTable(const TableOptions& options, Sink* sink);
  ~FlowTable();
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;

  // Rules, as in flow-table.ts. They take effect at `now`, which Receive, Tick and SetNow set.
  void SetNow(int64_t now_us) { now_ = now_us; }
  void AddPeer(PeerId id, const PeerOptions& options);
  void RemovePeer(PeerId id);
  void SetPaths(PeerId id, const std::vector<PathKey>& accepted, const PathKey* send_path);
  void SetSrtpKeys(PeerId id, const SrtpKeyMaterial& receive, const SrtpKeyMaterial& send);
  void SetRoundTrip(PeerId id, int64_t round_trip_us);
  void AddIngress(IngressId id, const IngressOptions& options);
  void BindSsrc(IngressId id, uint32_t ssrc);
  void RemoveIngress(IngressId id);
  void RequestKeyFrame(IngressId id);
  void AddEgress(EgressId id, const EgressOptions& options);
  void RemoveEgress(EgressId id);
  // `source` is null for none.
  void SetSource(EgressId id, const IngressId* source, WishKind kind, int64_t deadline_us);
  void AddGroup(GroupId id, size_t slots);
  void RemoveGroup(GroupId id);
  void SetGroupReceiver(GroupId id, PeerId peer, const std::vector<EgressId>& egresses);
  void RemoveGroupReceiver(GroupId id, PeerId peer);
  void SetGroupSource(GroupId id, size_t slot, const IngressId* source);
  void SetGroupPermissions(GroupId id, PeerId receiver, std::vector<IngressId> allowed);
  void Send(const PathKey& path, const uint8_t* data, size_t length);

  // One datagram; `data` is changed. At most kMaxDatagram bytes. `arrival_us` is when it came, which may be before it was
  // read; feedback to its sender depends on that.
  // `padding` is what each receiver's packet gets at its end (see RunPlanner), at most 255.
  void Receive(int64_t now_us, const PathKey& path, uint8_t* data, size_t length, int64_t arrival_us, uint8_t padding = 0);
  // Of packets that were read together, asked from the last to the first: the padding for one, before it is decrypted.
  uint8_t PlanPadding(const PathKey& path, const uint8_t* data, size_t length, RunPlanner* planner) const;
  // Runs the timers that are due.
  void Tick(int64_t now_us);
  // Time at which Tick wants to be called at the latest; -1 for never.
  int64_t NextTick() const;

  Counters& counters() { return counters_; }
  // Numbers of each record in the order of flow-table.ts; reading levels resets them.
  void ReadAudioLevels(std::vector<double>* out);
  void ReadIngressStats(std::vector<double>* out) const;
  void ReadEgressStats(std::vector<double>* out) const;

 private:
  // A packet on its way from its stream to the slots.
  struct Incoming {
    RtpPacket rtp;
    int64_t position = 0;
    int64_t index = 0;
    PacketTime time;
    bool key_frame = false;
    uint8_t padding = 0;
  };

  // flow_table.cc
  Peer* FindPeer(PeerId id);
  Ingress* FindIngress(IngressId id);
  Egress* FindEgress(EgressId id);
  void DropIngress(Ingress* ingress);
  void DropEgress(Egress* egress);
  void ClearPaths(Peer* peer);
  void Subscribe(Ingress* ingress, Egress* egress);
  void UnsubscribeIfIdle(Ingress* ingress, Egress* egress);
  void ForgetWish(Egress* egress);
  static void Permit(Group* group, GroupReceiver* receiver);
  static void LeaveSlots(GroupReceiver* receiver);
  static GroupReceiver* ReceiverOf(Group* group, Peer* peer);

  // flow_table_media.cc
  void ReceiveRtp(Peer* peer, uint8_t* data, size_t length);
  void HandleRtp(Peer* peer, const uint8_t* data, size_t length);
  const SsrcBinding* BindByExtensions(Peer* peer, const RtpPacket& rtp);
  void HoldUnknown(Peer* peer, const RtpPacket& rtp, const uint8_t* data, size_t length);
  void ReleaseHeld(Peer* peer);
  void HandleStream(Ingress* ingress, bool is_rtx, RtpPacket* rtp, const uint8_t* data, size_t length);
  PacketTime TimeOf(const Ingress& ingress, uint32_t timestamp) const;
  // Both return whether some rule takes the packet; `cache` is set when a slot may be asked for it again.
  bool ForwardToSubscribers(Ingress* ingress, const Incoming& packet, bool* cache);
  bool ForwardToGroups(Ingress* ingress, const Incoming& packet, bool* cache);
  void ForwardTo(Egress* egress, Ingress* ingress, const Incoming& packet);
  void BeginSource(Egress* egress, Ingress* ingress, const Incoming& packet);
  void NeedKeyFrame(Ingress* ingress);
  static bool Decapsulate(const Ingress& ingress, RtpPacket* rtp);

  // flow_table_rtcp.cc
  void ReceiveRtcp(Peer* peer, uint8_t* data, size_t length);
  void HandleSenderInfo(Peer* peer, const RtcpSenderInfo& info);
  void HandleReportBlock(Peer* peer, const RtcpReportBlock& block);
  void HandleNack(Peer* peer, uint32_t media_ssrc, const uint8_t* fci, size_t length);
  void HandleKeyFrameRequest(Peer* peer, uint32_t media_ssrc);
  void Retransmit(Egress* egress, uint16_t sequence);
  void SendRtcp(Peer* peer, const RtcpWriter& writer);
  void SendNacks(Ingress* ingress);
  void SendTransportFeedback(Peer* peer);
  void SendReports(Peer* peer);
  void SendSenderReport(Egress* egress);
  bool MakeSenderReport(Egress* egress, RtcpSenderInfo* info);
  RtcpReportBlock MakeReportBlock(Ingress* ingress);
  void ExpireHeld(Peer* peer);

  void CountSrtpFailure(SrtpStatus status);
  void EmitId(EventType type, uint32_t id);

  TableOptions options_;
  Sink* sink_;
  SourceLimiter strangers_;
  int64_t now_ = 0;
  // Of the datagram at hand.
  int64_t arrival_ = 0;
  uint8_t padding_ = 0;
  bool timers_started_ = false;
  int64_t last_tick_us_ = 0;
  int64_t next_feedback_us_ = 0;
  int64_t next_report_us_ = 0;
  bool fine_timers_ = false;  // something waits for less than the coarse interval
  std::vector<Egress*> waiting_;  // slots that wait for a key frame
  uint64_t last_serial_ = 0;
  Counters counters_;

  std::map<PeerId, std::unique_ptr<Peer>> peers_;
  std::map<IngressId, std::unique_ptr<Ingress>> ingresses_;
  std::map<EgressId, std::unique_ptr<Egress>> egresses_;
  std::map<GroupId, std::unique_ptr<Group>> groups_;
  std::unordered_map<PathKey, Peer*, PathHash> paths_;
  std::vector<uint16_t> nack_scratch_;
  std::vector<uint8_t> repair_scratch_;
};

}  // namespace conclave
