const SKINS = ['#f0c9a8', '#d9a066', '#8d5a3a', '#f5d6c0', '#b97a50', '#5f3b26', '#e5b48c'];
const HAIRS = ['#2b1d14', '#5b3a1e', '#a8742f', '#16181c', '#7d7d80', '#8e3b22', '#d8b25c'];
const CLOTHES = ['#2f5d62', '#7b4b94', '#b0413e', '#3d5a80', '#606c38', '#c77d3a', '#374151', '#e4e4e7'];
const WALLS: readonly (readonly [string, string])[] = [
  ['#cfd9d6', '#9fb5af'],
  ['#e7dccb', '#c9b393'],
  ['#c9d3e2', '#93a5c0'],
  ['#dcd3e0', '#ab9bb5'],
  ['#e3d0c6', '#b9937f'],
  ['#d5dcc4', '#a3b083'],
];

/** Draws somebody before a camera. `seed` decides who it is; `phase` (radians) moves the head a little. */
export function drawPortrait(canvas: HTMLCanvasElement, seed: number, phase: number): void {
  const context = canvas.getContext('2d')!;
  const { width, height } = canvas;
  const pick = <T>(list: readonly T[], salt: number): T =>
    list[(Math.imul(seed + 3, 2654435761) >>> (salt * 4)) % list.length]!;
  const [light, dark] = pick(WALLS, 1);
  const wall = context.createLinearGradient(0, 0, width, height);
  wall.addColorStop(0, light);
  wall.addColorStop(1, dark);
  context.fillStyle = wall;
  context.fillRect(0, 0, width, height);
  drawRoom(context, width, height, seed);
  const x = width * (0.5 + 0.01 * Math.sin(phase) + ((seed % 3) - 1) * 0.03);
  const y = height * (0.46 + 0.006 * Math.cos(phase * 1.7));
  const head = height * 0.17;
  const skin = pick(SKINS, 2);
  const hair = pick(HAIRS, 3);
  const ellipse = (cx: number, cy: number, rx: number, ry: number, fill: string) => {
    context.beginPath();
    context.ellipse(cx, cy, rx, ry, 0, 0, Math.PI * 2);
    context.fillStyle = fill;
    context.fill();
  };
  const long = seed % 2 === 0;
  if (long) ellipse(x, y + head * 0.45, head * 1.12, head * 1.6, hair);
  ellipse(x, height * 1.08, height * 0.4, height * 0.38, pick(CLOTHES, 5));
  context.fillStyle = skin;
  context.fillRect(x - head * 0.36, y + head * 0.6, head * 0.72, head * 0.95);
  ellipse(x, y + head * 1.5, head * 0.42, head * 0.24, skin);
  ellipse(x, y, head * 0.84, head * 1.08, skin);
  context.beginPath();
  context.moveTo(x - head * 0.9, y + head * 0.1);
  context.bezierCurveTo(
    x - head * 1.15,
    y - head * 1.5,
    x + head * 1.15,
    y - head * 1.5,
    x + head * 0.9,
    y + head * 0.1,
  );
  context.bezierCurveTo(
    x + head * 0.75,
    y - head * 0.75,
    x - head * 0.1,
    y - head * 0.25,
    x - head * 0.55,
    y - head * 0.6,
  );
  context.bezierCurveTo(
    x - head * 0.75,
    y - head * 0.4,
    x - head * 0.78,
    y - head * 0.2,
    x - head * 0.9,
    y + head * 0.1,
  );
  context.fillStyle = hair;
  context.fill();
  ellipse(x - head * 0.3, y + head * 0.02, head * 0.07, head * 0.09, '#1f1a17');
  ellipse(x + head * 0.3, y + head * 0.02, head * 0.07, head * 0.09, '#1f1a17');
  context.strokeStyle = '#7a3b33';
  context.lineWidth = head * 0.06;
  context.lineCap = 'round';
  context.beginPath();
  context.arc(x, y + head * 0.32, head * 0.28, 0.25 * Math.PI, 0.75 * Math.PI);
  context.stroke();
}

function drawRoom(context: CanvasRenderingContext2D, width: number, height: number, seed: number): void {
  const side = seed % 2 === 0 ? 0.08 : 0.7;
  context.fillStyle = 'rgb(255 255 255 / 45%)';
  if (seed % 3 === 0) {
    context.fillRect(width * side, height * 0.1, width * 0.2, height * 0.42);
    context.fillStyle = 'rgb(120 150 170 / 35%)';
    context.fillRect(width * (side + 0.095), height * 0.1, width * 0.01, height * 0.42);
  } else if (seed % 3 === 1) {
    context.fillStyle = 'rgb(60 50 40 / 30%)';
    for (let shelf = 0; shelf < 3; shelf++) {
      const top = height * (0.24 + shelf * 0.2);
      context.fillRect(width * side, top, width * 0.24, height * 0.018);
      for (let book = 0; book < 6; book++) {
        const tall = height * (0.08 + ((seed + book * 5 + shelf * 3) % 4) * 0.015);
        context.fillRect(width * (side + 0.01 + book * 0.035), top - tall, width * 0.024, tall);
      }
    }
  } else {
    context.fillStyle = 'rgb(50 90 60 / 45%)';
    for (let leaf = 0; leaf < 7; leaf++) {
      context.beginPath();
      const angle = Math.PI * (0.15 + leaf * 0.117);
      context.ellipse(
        width * (side + 0.1) - Math.cos(angle) * height * 0.14,
        height * 0.72 - Math.sin(angle) * height * 0.16,
        height * 0.13,
        height * 0.035,
        Math.PI + angle,
        0,
        Math.PI * 2,
      );
      context.fill();
    }
  }
}

/** Draws what somebody shares: a page of a talk. */
export function drawSlide(canvas: HTMLCanvasElement): void {
  const context = canvas.getContext('2d')!;
  const { width, height } = canvas;
  context.fillStyle = '#fbfaf7';
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#0d6b5f';
  context.fillRect(0, 0, width * 0.012, height);
  context.fillStyle = '#1b2127';
  context.font = `700 ${height * 0.075}px sans-serif`;
  context.fillText('Water levels, this spring', width * 0.07, height * 0.16);
  context.font = `400 ${height * 0.036}px sans-serif`;
  context.fillStyle = '#4e565e';
  context.fillText('Metres above the mark, by week', width * 0.07, height * 0.225);
  const values = [0.3, 0.34, 0.42, 0.4, 0.55, 0.68, 0.61, 0.74, 0.9, 0.82, 0.7, 0.66];
  values.forEach((value, index) => {
    const tall = height * 0.56 * value;
    context.fillStyle = index === 8 ? '#c98a1d' : '#8cc5b8';
    context.fillRect(width * (0.08 + index * 0.073), height * 0.87 - tall, width * 0.05, tall);
    context.fillStyle = '#4e565e';
    context.font = `400 ${height * 0.028}px sans-serif`;
    context.fillText(String(index + 9), width * (0.093 + index * 0.073), height * 0.92);
  });
}
