import { readFileSync } from 'node:fs';

/** Version of the command line, from its package.json, which lies one folder above both src and dist. */
export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return version;
}
