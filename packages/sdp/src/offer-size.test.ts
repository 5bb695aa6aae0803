import { expect, test } from 'vitest';
import { sampleOptions, slotsFrom } from '../test/sample-offer.ts';
import { buildOffer, MAX_OFFER_LENGTH, maxVideoSlots } from './index.ts';

test('nine video slots, five audio slots and six candidates fit what every client reads', () => {
  const length = buildOffer(sampleOptions()).length;
  expect(length).toBeLessThan(MAX_OFFER_LENGTH);
  expect(MAX_OFFER_LENGTH).toBeLessThan(16_384);
  expect(maxVideoSlots(sampleOptions(), 9)).toBe(9);
});

test('they fit with every option, and with ICE credentials as long as those of the reference', () => {
  const options = sampleOptions({
    ufrag: 'kfdV3gknCa1qjRY',
    pwd: 'i0IiYb9134Eji1TGRFDbTIHB6LPjKQW',
    dependencyDescriptor: true,
    audioNack: true,
    tool: 'sftd 5.0.1 (x86_64/linux)',
  });
  expect(buildOffer(options).length).toBeLessThan(16_384);
});

test.each([9, 12, 16, 32])('an offer with as many of %d slots as fit stays below the limit', (wanted) => {
  const options = sampleOptions();
  const count = maxVideoSlots(options, wanted);
  const fits = buildOffer({ ...options, videoSlots: slotsFrom(6, count, 'video') });
  expect(fits.length).toBeLessThanOrEqual(MAX_OFFER_LENGTH);
  expect(count).toBeLessThanOrEqual(wanted);
});

test('nearly all of the room is used', () => {
  const options = sampleOptions();
  const count = maxVideoSlots(options, 32);
  const oneMore = buildOffer({ ...options, videoSlots: slotsFrom(6, count + 2, 'video') });
  expect(oneMore.length).toBeGreaterThan(MAX_OFFER_LENGTH);
});

test('fewer fit into an offer with many candidates, and none into a full one', () => {
  const many = Array.from({ length: 120 }, (_, i) => `${i} 1 UDP 2122194687 198.51.100.200 40000 typ host`);
  expect(maxVideoSlots(sampleOptions({ candidates: many }), 9)).toBeLessThan(9);
  expect(maxVideoSlots(sampleOptions({ candidates: [...many, ...many, ...many] }), 9)).toBe(0);
});

test('a nonsensical wish gives none', () => {
  expect(maxVideoSlots(sampleOptions(), -1)).toBe(0);
});
