/**
 * What a browser may do with the meeting page. Scripts, styles and workers come from its own origin alone; requests may
 * go to any HTTPS server, since a meeting link may name another one; nobody may frame the page, and nothing of its
 * address (which holds the meeting's secret) goes anywhere.
 */
const contentSecurityPolicy: Readonly<Record<string, string>> = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' data: blob:",
  'media-src': "'self' blob: mediastream:",
  'font-src': "'self'",
  'worker-src': "'self'",
  'connect-src': "'self' https:",
  'manifest-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

const allowedFeatures = [
  'camera',
  'microphone',
  'display-capture',
  'speaker-selection',
  'fullscreen',
  'screen-wake-lock',
  'clipboard-write',
  'autoplay',
];
const deniedFeatures = ['geolocation', 'usb', 'serial', 'hid', 'midi', 'payment', 'clipboard-read'];

/** Headers of every file of the meeting page. */
export const pageSecurityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': Object.entries(contentSecurityPolicy)
    .map(([directive, sources]) => `${directive} ${sources}`)
    .join('; '),
  'permissions-policy': [
    ...allowedFeatures.map((feature) => `${feature}=(self)`),
    ...deniedFeatures.map((feature) => `${feature}=()`),
  ].join(', '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
};
