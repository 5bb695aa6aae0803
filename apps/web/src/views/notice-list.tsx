import type { VNode } from 'preact';
import type { Notices } from '../state/notices.ts';

/** The short messages, which are also read out. */
export function NoticeList({ notices }: { readonly notices: Notices }): VNode {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.shown.value.map((notice) => (
        <p key={notice.key} class={`notice notice-${notice.tone}`}>
          {notice.text}
        </p>
      ))}
    </div>
  );
}
