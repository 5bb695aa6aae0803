// Who sends what to whom.

/** What real senders send: datagrams of a frame, their size, frames a second. */
export const frames = {
  audio: { packets: 1, bytes: 203, perSecond: 25 },
  high: { packets: 4, bytes: 1100, perSecond: 30 },
  low: { packets: 1, bytes: 900, perSecond: 15 },
};

const LOUD = 30;
const SILENT = 127;

/**
 * @param publish of a person: its audio level, and whether it sends the high and low layer
 * @param watch of a person: whose video it receives, in which layer
 * @param speakers whose audio everybody else receives
 */
function scenario({ name, people, publish, watch, speakers = [] }) {
  const watchers = new Map();
  for (let person = 0; person < people; person++) {
    for (const { person: other, layer } of watch(person)) {
      const key = `${other}-${layer}`;
      watchers.set(key, (watchers.get(key) ?? 0) + 1);
    }
  }
  return {
    name,
    people,
    publish,
    watch,
    speakers,
    /** How many receive a stream. */
    fanout: (person, stream) =>
      stream === 'audio'
        ? speakers.includes(person)
          ? people - 1
          : 0
        : (watchers.get(`${person}-${stream}`) ?? 0),
  };
}

/** One camera to N people. */
export const fan = (receivers) =>
  scenario({
    name: `fan 1→${receivers}`,
    people: receivers + 1,
    publish: (person) => (person === 0 ? { high: true } : {}),
    watch: (person) => (person === 0 ? [] : [{ person: 0, layer: 'high' }]),
  });

/** Everybody's camera to everybody, five speak. */
export const everybody = (people) =>
  scenario({
    name: `${people}×${people}`,
    people,
    publish: (person) => ({ audio: person < 5 ? LOUD : SILENT, high: true }),
    watch: (person) =>
      Array.from({ length: people }, (_, other) => ({ person: other, layer: 'high' })).filter(
        ({ person: other }) => other !== person,
      ),
    speakers: [0, 1, 2, 3, 4],
  });

/** Each receives one high video, eight low ones and five voices: about 365 packets a second. */
export const meeting = (people) =>
  scenario({
    name: `meeting ${people}`,
    people,
    publish: (person) => ({ audio: person < 5 ? LOUD : SILENT, high: true, low: true }),
    watch: (person) =>
      Array.from({ length: Math.min(9, people - 1) }, (_, i) => ({
        person: (person + 1 + i) % people,
        layer: i === 0 ? 'high' : 'low',
      })),
    speakers: [0, 1, 2, 3, 4],
  });

/** Five of many speak, nobody has a camera. */
export const audioRoom = (people) =>
  scenario({
    name: `audio ${people}`,
    people,
    publish: (person) => ({ audio: person < 5 ? LOUD : SILENT }),
    watch: () => [],
    speakers: [0, 1, 2, 3, 4],
  });

/** Five with camera and voice, all others only receive: the first in high, four in low quality. */
export const webinar = (receivers) =>
  scenario({
    name: `webinar 5→${receivers}`,
    people: receivers + 5,
    publish: (person) => (person < 5 ? { audio: LOUD, high: true, low: true } : {}),
    watch: (person) =>
      person < 5
        ? []
        : [0, 1, 2, 3, 4].map((other) => ({ person: other, layer: other === 0 ? 'high' : 'low' })),
    speakers: [0, 1, 2, 3, 4],
  });
