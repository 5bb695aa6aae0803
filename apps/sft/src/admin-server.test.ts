import { Secret, toUtf8 } from '@conclave/bytes';
import type { HttpReply } from '@conclave/service';
import { expect, test } from 'vitest';
import { type AdminServerOptions, answerAdminRequest } from './admin-server.ts';
import { CallReports } from './call-report.ts';

const noCalls = new CallReports({
  now: () => 0,
  sessions: () => [],
  readIngressStats: () => [],
  readEgressStats: () => [],
});
const files = new Map([['/', { contentType: 'text/html', body: '<!doctype html>' }]]);
const open: AdminServerOptions = { reports: noCalls, token: undefined };
const guarded: AdminServerOptions = { reports: noCalls, token: new Secret(toUtf8('opensesame')) };

function ask(
  options: AdminServerOptions,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): HttpReply {
  return answerAdminRequest({ method, target, headers: { host: '127.0.0.1:9', ...headers } }, options, files);
}

test('lists the calls to whoever reaches the loopback address', () => {
  const reply = ask(open, '/calls');
  expect(reply.status).toBe(200);
  expect(JSON.parse(reply.body)).toEqual({ calls: [] });
});

test('says that a call is over rather than inventing one', () => {
  expect(ask(open, '/calls/77').status).toBe(404);
});

test.each([
  ['[::1]:9', 200],
  ['localhost', 200],
  ['localhost:49091', 200],
  ['rebound.example', 403],
  ['127.0.0.1.rebound.example:80', 403],
  ['', 403],
])('without a token the name %s that is asked for gives %i', (host, status) => {
  expect(ask(open, '/calls', { host }).status).toBe(status);
});

test.each([
  [undefined, 401],
  ['Bearer wrong', 401],
  ['Basic opensesame', 401],
  ['Bearer opensesame2', 401],
  ['Bearer opensesame', 200],
])('with a token asked for, %s gives %i', (authorization, status) => {
  const headers = { host: 'sft.example', ...(authorization === undefined ? {} : { authorization }) };
  expect(ask(guarded, '/calls', headers).status).toBe(status);
});

test('gives the page to anybody, since it holds nothing', () => {
  const reply = ask(guarded, '/', { host: 'sft.example' });
  expect(reply.status).toBe(200);
  expect(reply.headers?.['content-security-policy']).toContain("default-src 'none'");
});

test.each(['/admin', '/../package.json', '/calls/../calls', '//calls', ''])('knows no %s', (target) => {
  expect(ask(open, target).status).toBe(404);
});

test('changes nothing: anything but reading is refused', () => {
  expect(ask(open, '/calls', {}, 'POST').status).toBe(405);
});
