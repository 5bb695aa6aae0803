// Draws the calls of one server and follows one of them. Rates are differences between readings of totals.
const INTERVAL_MS = 2000;
const KEPT_READINGS = 30;

const state = document.getElementById('state');
const entry = document.getElementById('entry');
const callRows = document.querySelector('#calls tbody');
const section = document.getElementById('call');
const personRows = section.querySelector('tbody');

let token = '';
let chosen;
let previous = new Map();
const history = new Map();

async function read(path) {
  const response = await fetch(path, { headers: token ? { authorization: `Bearer ${token}` } : {} });
  if (response.status === 401) entry.hidden = false;
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

function cell(row, content) {
  const td = row.insertCell();
  td.append(content);
}

function age(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${String(seconds % 60).padStart(2, '0')}`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function rate(bitsPerSecond) {
  return bitsPerSecond >= 1e6
    ? `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`
    : `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

function sparkline(values) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('width', '120');
  svg.setAttribute('height', '24');
  const top = Math.max(...values, 1);
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  const points = values.map(
    (v, i) => `${(i * 120) / (KEPT_READINGS - 1)},${(23 - (v / top) * 22).toFixed(1)}`,
  );
  line.setAttribute('points', points.join(' '));
  svg.append(line);
  return svg;
}

function showCalls(calls) {
  callRows.replaceChildren();
  for (const call of calls) {
    const row = callRows.insertRow();
    const open = document.createElement('button');
    open.textContent = call.call;
    open.addEventListener('click', () => {
      chosen = call.call;
      previous = new Map();
      history.clear();
      void refresh();
    });
    cell(row, open);
    for (const value of [
      call.conversation,
      age(call.ageSeconds),
      call.participants,
      call.connecting,
      call.speakers,
      call.thread,
    ])
      cell(row, String(value));
  }
}

function showCall(call, now) {
  section.hidden = false;
  section.querySelector('h2').textContent = `Call ${call.call}, ${call.participants} people`;
  section.querySelector('.facts').textContent =
    `${call.speakerChanges} changes of speaker, ${call.keyFrameRequests} key frames asked for`;
  personRows.replaceChildren();
  const seen = new Map();
  for (const [index, person] of call.inCall.entries()) {
    const key = `${index} ${person.user}`;
    const inBytes = person.incoming.reduce((sum, stream) => sum + stream.bytes, 0);
    const outBytes = person.outgoing.bytes;
    const before = previous.get(key);
    const seconds = before ? (now - before.now) / 1000 : 0;
    const inBps = before ? Math.max(0, ((inBytes - before.inBytes) * 8) / seconds) : 0;
    const outBps = before ? Math.max(0, ((outBytes - before.outBytes) * 8) / seconds) : 0;
    seen.set(key, { now, inBytes, outBytes });
    const values = history.get(key) ?? [];
    if (before) values.push(outBps);
    history.set(key, values.slice(-KEPT_READINGS));
    const row = personRows.insertRow();
    const facts = [
      person.sends,
      person.muted ? 'muted' : '',
      person.audioSlot === undefined ? '' : 'speaking',
    ];
    cell(row, person.user);
    cell(row, facts.filter(Boolean).join(', '));
    cell(row, person.transport ?? '–');
    cell(row, person.roundTripMs === undefined ? '–' : `${Math.round(person.roundTripMs)} ms`);
    cell(row, person.lossFraction === undefined ? '–' : `${(person.lossFraction * 100).toFixed(1)} %`);
    cell(row, rate(inBps));
    cell(row, rate(outBps));
    cell(row, sparkline(history.get(key)));
  }
  previous = seen;
}

async function refresh() {
  try {
    const { calls } = await read('calls');
    entry.hidden = true;
    showCalls(calls);
    const people = calls.reduce((sum, call) => sum + call.participants, 0);
    state.textContent = `${calls.length} running, ${people} people`;
    if (chosen !== undefined) showCall(await read(`calls/${chosen}`), performance.now());
  } catch (error) {
    state.textContent = error.message;
    section.hidden = true;
    chosen = undefined;
  }
}

entry.addEventListener('submit', (event) => {
  event.preventDefault();
  token = document.getElementById('token').value;
  void refresh();
});
void refresh();
setInterval(refresh, INTERVAL_MS);
