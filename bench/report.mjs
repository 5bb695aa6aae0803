// Tables and plots of a run.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const number = (value, digits = 2) =>
  value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits);
const COLOURS = {
  conclave: '#1f6feb',
  conventional: '#8ab4f8',
  medooze: '#d29922',
  janus: '#a371f7',
  'floor: sendto': '#8b949e',
  'floor: GSO of 4': '#57606a',
};
const LABELS = { conventional: 'conclave, one send a packet' };

/** Prints what a run found. */
export function printTables(machine, results) {
  console.log(
    `${machine.cpu}, ${machine.system}, Node ${machine.node}, OpenSSL ${machine.openssl}, ${machine.profile}; ` +
      `${machine.rounds} rounds of ${machine.seconds} s; load before ${number(machine.loadBefore, 1)}, ` +
      `after ${number(machine.loadAfter, 1)}; ${machine.tookSeconds} s in all`,
  );
  const media = results.filter(({ samples }) => samples);
  const referenceOf = (shape) => media.find((r) => r.shape === shape && r.server === 'medooze')?.cpuUs;
  console.table(
    media.map((r) => ({
      shape: r.shape,
      server: r.server,
      'CPU µs/packet': number(r.cpuUs),
      'least - most': `${number(r.least)} - ${number(r.most)}`,
      'of Medooze': referenceOf(r.shape) ? number(r.cpuUs / referenceOf(r.shape)) : '',
      'packets/s': number(r.packetsPerSecond, 0),
      'packets/CPU s': number(1e6 / r.cpuUs, 0),
      'p50 ms': number(r.p50Ms),
      'p99 ms': number(r.p99Ms),
      'p99.9 ms': number(r.p999Ms),
      'loss %': number(100 * r.loss),
      'generator µs': number(r.generatorCpuUs),
    })),
  );
  console.table(
    media
      .filter((r) => r.joinMs !== undefined)
      .map((r) => ({
        shape: r.shape,
        server: r.server,
        people: r.people,
        'kB/person': number(r.memoryPerPersonKib, 0),
        'join ms': number(r.joinMs, 0),
        'of a core': number(r.cpuShare),
        'people on a core': number(r.people / r.cpuShare, 0),
        'signalling ms': r.signalling ? number(r.signalling.medianMs, 1) : '',
        'longest ms': r.signalling ? number(r.signalling.mostMs, 1) : '',
      })),
  );
  for (const r of results.filter(({ shape }) => shape === 'churn')) {
    console.log(
      `churn: ${number(r.cpuMsPerJoin)} ms of server CPU for each of ${r.joins} joins, that is ` +
        `${number(1000 / r.cpuMsPerJoin, 0)} joins per second of one core; median join ${number(r.joinMs, 0)} ms; ` +
        `memory grew by ${r.memoryGrowthKib} kB`,
    );
  }
}

const escaped = (text) =>
  String(text).replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/** Horizontal bars in groups. */
export function barPlot({ title, unit, groups }) {
  const [left, width, bar, gap, top] = [190, 420, 16, 14, 46];
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const parts = [];
  let y = top;
  for (const { name, bars } of groups) {
    parts.push(`<text x="8" y="${y + 12}" font-weight="600">${escaped(name)}</text>`);
    y += 20;
    for (const { label, value, colour } of bars) {
      const length = most > 0 ? (value / most) * width : 0;
      parts.push(`<text x="${left - 8}" y="${y + 12}" text-anchor="end">${escaped(label)}</text>`);
      parts.push(
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar - 3}" fill="${colour}"/>`,
      );
      parts.push(
        `<text x="${(left + length + 6).toFixed(1)}" y="${y + 12}">${escaped(number(value))}</text>`,
      );
      y += bar;
    }
    y += gap;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 ${y}" font-family="sans-serif" font-size="12">`,
    `<rect width="680" height="${y}" fill="#ffffff"/>`,
    `<text x="8" y="22" font-size="15" font-weight="600">${escaped(title)}</text>`,
    `<text x="8" y="38" fill="#57606a">${escaped(unit)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** Writes one plot of costs and one of latencies. */
export function writePlots(folder, profile, results) {
  const media = results.filter(({ samples }) => samples);
  const grouped = (field) =>
    [...new Set(media.map(({ shape }) => shape))]
      .map((name) => ({
        name,
        bars: media
          .filter((r) => r.shape === name && r[field] !== undefined)
          .map((r) => ({
            label: LABELS[r.server] ?? r.server,
            value: r[field],
            colour: COLOURS[r.server] ?? '#333333',
          })),
      }))
      .filter(({ bars }) => bars.length > 0);
  const plots = {
    cost: {
      title: 'Server CPU for each packet delivered',
      unit: 'µs, user and system; less is better',
      field: 'cpuUs',
    },
    latency: {
      title: 'Added latency, 99th percentile',
      unit: 'ms from sending to the receiving socket',
      field: 'p99Ms',
    },
  };
  for (const [name, { title, unit, field }] of Object.entries(plots)) {
    const groups = grouped(field);
    if (groups.length > 0)
      writeFileSync(join(folder, `${name}-${profile}.svg`), barPlot({ title, unit, groups }));
  }
}
