// The media ends of the benchmark: many WebRTC endpoints' sockets, sending and receiving SRTP in one thread. What is
// not media (STUN, DTLS) goes to JavaScript, which has the signalling.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "srtp.h"

namespace bench {

// What is sent by one endpoint again and again: a frame of some packets.
struct StreamShape {
  uint32_t ssrc = 0;
  uint8_t payload_type = 0;
  bool audio = false;
  uint8_t level = 127;  // audio level, -dBov
  // Extension ids; 0 for none.
  uint8_t level_id = 0;
  uint8_t abs_send_time_id = 0;
  uint8_t transport_sequence_id = 0;
  uint8_t rid_id = 0;
  uint8_t descriptor_id = 0;
  std::string rid;
  // Generic frame descriptor of a key frame's first packet, of another frame's, of all others.
  std::vector<uint8_t> descriptors[3];
  int packets = 1;         // of a frame
  size_t datagram_bytes = 1100;
  int64_t interval_us = 33'333;
};

struct Stats {
  uint64_t received = 0;  // media packets
  uint64_t bytes = 0;
  uint64_t checked = 0;  // decrypted, of one packet in kCheckEvery
  uint64_t bad = 0;      // of those: wrong tag or content
  uint64_t reports = 0;  // RTCP
  uint64_t cpu_us = 0;   // of the generator's thread
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
};

class LoadGenerator {
 public:
  static constexpr uint32_t kCheckEvery = 64;

  explicit LoadGenerator(std::function<void()> wake);
  ~LoadGenerator();

  // Returns the endpoint's number, or -1.
  int Open(uint32_t address, uint16_t* port);
  void Close(uint32_t endpoint);
  // Sends one datagram of signalling.
  void Send(uint32_t endpoint, const sockaddr_in& to, const uint8_t* data, size_t length);
  void SetServer(uint32_t endpoint, const sockaddr_in& server);
  bool SetKeys(uint32_t endpoint, const conclave::SrtpKeyMaterial& send, const conclave::SrtpKeyMaterial& receive);
  // Returns the stream's number. It does not run yet.
  uint32_t AddStream(uint32_t endpoint, const StreamShape& shape);
  // Streams of the list run, all others pause. `speed` multiplies the frame rates.
  void Run(const std::vector<uint32_t>& streams, double speed);
  // Signalling that came, as records: u32 endpoint, u32 IPv4 address, u16 port, u16 length, bytes; little-endian.
  std::vector<uint8_t> Drain();
  // Totals; latencies are of the packets checked since the last time.
  Stats Read();
  std::vector<double> SentByStream();
  std::vector<double> ReceivedByEndpoint();

 private:
  struct Endpoint {
    int fd = -1;
    sockaddr_in server{};
    std::unique_ptr<conclave::SrtpSender> sender;
    std::unique_ptr<conclave::SrtpReceiver> receiver;
    uint64_t received = 0;
    uint16_t transport_sequence = 0;
  };
  struct Stream {
    uint32_t endpoint = 0;
    StreamShape shape;
    bool running = false;
    double speed = 1;
    int64_t next_us = 0;
    uint16_t sequence = 0;
    uint32_t timestamp = 0;
    uint64_t frames = 0;
    uint64_t sent = 0;
  };
  // Latencies are counted by the microsecond up to here; later ones count as this.
  static constexpr size_t kLatencyBuckets = 400'000;

  void Loop();
  bool SendDue(int64_t now_us);
  void SendFrame(Stream* stream);
  size_t MakePacket(Stream* stream, Endpoint* endpoint, int packet, uint8_t* out);
  bool ReceiveAll();
  void Take(uint32_t index, Endpoint* endpoint, uint8_t* data, size_t length, const sockaddr_in& from, int64_t arrival_ns);
  void Check(Endpoint* endpoint, uint8_t* data, size_t length, int64_t arrival_ns);

  std::function<void()> wake_;
  int epoll_ = -1;
  std::mutex mutex_;
  std::vector<Endpoint> endpoints_;
  std::vector<Stream> streams_;
  std::vector<uint8_t> control_;
  Stats stats_;
  std::vector<uint32_t> latencies_;
  std::mt19937 random_{7};
  bool any_running_ = false;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace bench
