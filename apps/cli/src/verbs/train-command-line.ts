import { basename } from 'node:path';
import type { TrainVerbOptions } from './train.js';

/** The command that makes the same adapter again, for its provenance: names of files without the folders of this machine. */
export function trainCommandLine(reference: string, options: TrainVerbOptions): string {
  const isPath = !/^(hf|pypi):/.test(reference) && /[\\/]/.test(reference);
  const words = ['gateskip', 'train', isPath ? basename(reference) : reference];
  const add = (flag: string, value: string | number | undefined): void => {
    if (value !== undefined) words.push(flag, String(value));
  };
  add('--out', options.out && basename(options.out));
  add('--out-model', options.outModel && basename(options.outModel));
  add('--model-type', options.modelType);
  add('--recipe', options.recipe && basename(options.recipe));
  if (options.text) words.push('--text', ...options.text.map((path) => basename(path)));
  else words.push('--self');
  add('--prompts', options.prompts && basename(options.prompts));
  add('--text-tokens', options.textTokens);
  add('--start', options.start && basename(options.start));
  add('--tokens', options.tokens);
  add('--minutes', options.minutes);
  for (const [group, rate] of Object.entries(options.lr ?? {})) add('--lr', `${group}=${rate}`);
  add('--rows', options.rows);
  add('--seed', options.seed);
  add('--kv', options.kv);
  add('--drop', options.drop?.join(','));
  add('--profile', options.profile && basename(options.profile));
  add('--precision', options.precision);
  add('--name', options.name);
  if (options.backend !== 'auto') add('--backend', options.backend);
  return words.map(quoted).join(' ');
}

/** As a shell would need it. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
