import { basename } from 'node:path';
import type { FitVerbOptions } from './fit.js';

/** The command that makes the same gates again, for their provenance: names of files without the folders of this machine. */
export function fitCommandLine(reference: string, options: FitVerbOptions): string {
  const isPath = !/^(hf|pypi):/.test(reference) && /[\\/]/.test(reference);
  const words = ['gateskip', 'fit', isPath ? basename(reference) : reference, '--out', basename(options.out)];
  const add = (flag: string, value: string | number | undefined): void => {
    if (value !== undefined) words.push(flag, String(value));
  };
  if (options.text) words.push('--text', ...options.text.map((path) => basename(path)));
  else words.push('--self');
  add('--import', options.import === undefined ? undefined : basename(options.import));
  add('--distill', options.distill === undefined ? undefined : basename(options.distill));
  add('--tokens', options.tokens);
  add('--window', options.window);
  add('--seed', options.seed);
  add('--kv', options.kv);
  add('--protect', options.protect?.join(','));
  add('--pinned', options.pinned);
  add('--importance', options.importance);
  add('--rounds', options.rounds);
  add('--curve-tokens', options.curveTokens);
  add('--quality-rows', options.qualityRows);
  add('--name', options.name);
  if (options.backend !== 'auto') add('--backend', options.backend);
  return words.map(quoted).join(' ');
}

/** As a shell would need it. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
