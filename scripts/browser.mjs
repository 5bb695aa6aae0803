// Finds the Debian packages that the whole-system tests use (browsers, network tools, coturn), or installs them with apt
// when this is Debian and we are root; otherwise says what is missing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { say } from './prepare.mjs';

const NEEDED = [
  ['chromium', ['/usr/bin/chromium']],
  ['firefox-esr', ['/usr/bin/firefox-esr']],
  ['iproute2', ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip']],
  ['nftables', ['/usr/sbin/nft']],
  ['coturn', ['/usr/bin/turnutils_uclient']],
  ['golang-go', ['/usr/bin/go']],
  ['golang-github-masterminds-sprig-dev', ['/usr/share/gocode/src/github.com/Masterminds/sprig']],
  ['golang-gopkg-yaml.v3-dev', ['/usr/share/gocode/src/gopkg.in/yaml.v3']],
];

/** Returns when all programs are there; ends the process with a sentence otherwise. */
export function ensureBrowser() {
  const missing = NEEDED.filter(([, paths]) => !paths.some((path) => existsSync(path))).map(([name]) => name);
  if (missing.length === 0) return;
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall) {
    console.error(
      `conclave: the tests need these Debian packages: ${missing.join(' ')}. Install them with: sudo apt-get install ${missing.join(' ')}`,
    );
    process.exit(2);
  }
  say(`installing ${missing.join(', ')} with apt`);
  const quiet = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  spawnSync('apt-get', ['update', '-qq'], quiet);
  const result = spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], quiet);
  if (result.status !== 0) {
    console.error(`conclave: apt could not install ${missing.join(' ')}`);
    process.exit(2);
  }
}
