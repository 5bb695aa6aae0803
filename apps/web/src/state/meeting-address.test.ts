import { describe, expect, it } from 'vitest';
import { createMeetingLink, meetingUrl, readMeetingText } from './meeting-address.ts';

const PAGE = 'https://meet.example/rooms/?from=mail#v=1&s=old';

describe('the address of a meeting', () => {
  it('is the page with a secret that another page reads again', () => {
    const link = createMeetingLink(true, undefined);
    const url = meetingUrl(PAGE, link);
    expect(url).toMatch(/^https:\/\/meet\.example\/rooms\/#v=1&s=[\w-]{43}&p=1$/);
    expect(readMeetingText(`  ${url}\n`, PAGE).link).toEqual({ ...link, server: undefined });
  });

  it('is another one each time', () => {
    expect(createMeetingLink(false, undefined).secret).not.toEqual(
      createMeetingLink(false, undefined).secret,
    );
  });

  it('names the server when another host serves the page', () => {
    const link = createMeetingLink(false, 'https://sft.example');
    expect(readMeetingText(meetingUrl(PAGE, link), PAGE).link?.server).toBe('https://sft.example');
  });

  it('of another page is a meeting at that page', () => {
    const url = meetingUrl('https://other.example/', createMeetingLink(false, undefined));
    expect(readMeetingText(url, PAGE).link?.server).toBe('https://other.example');
  });

  it('of another page that names a server is a meeting at that server', () => {
    const url = meetingUrl('https://other.example/', createMeetingLink(false, 'https://sft.example'));
    expect(readMeetingText(url, PAGE).link?.server).toBe('https://sft.example');
  });

  it('is refused with a reason when it is none', () => {
    expect(readMeetingText(' ', PAGE).fault).toBe('empty');
    expect(readMeetingText('hello', PAGE).fault).toBe('no-link');
    expect(readMeetingText('https://meet.example/', PAGE).fault).toBe('no-link');
    expect(readMeetingText('https://meet.example/#diagnose', PAGE).fault).toBe('no-link');
    expect(readMeetingText('https://meet.example/#v=2&s=x', PAGE).fault).toBe('version');
    expect(readMeetingText('https://meet.example/#v=1&s=short', PAGE).fault).toBe('damaged');
    expect(readMeetingText('https://meet.example/#v=1&s=%', PAGE).fault).toBe('damaged');
  });
});
