import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * Loads the compiled addon of this package: `build/Release/forwarder.node`, or the file that the environment variable
 * `CONCLAVE_FORWARDER_ADDON` names, such as one built with `--sanitize`.
 *
 * @returns its exports object; the same one on every call. Its shape is the caller's to declare: each facade states
 * the part it uses.
 * @throws Error with a sentence for the operator when the addon was not built.
 */
export function loadNativeAddon(): unknown {
  const override = process.env.CONCLAVE_FORWARDER_ADDON;
  const path = override ?? fileURLToPath(new URL('../build/Release/forwarder.node', import.meta.url));
  if (!existsSync(path)) {
    throw new Error(
      `The forwarding addon was not built (${path} is missing): run npm start or npm run build.`,
    );
  }
  return createRequire(import.meta.url)(path);
}
