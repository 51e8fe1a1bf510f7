import { createHash } from 'node:crypto';
import type { PreparedTask } from './prepare-task.js';
import type { PreparedText } from './prepare-text.js';
import type { DataDescription, TextDescription } from './results.js';

export function describeTask({ task, items, source, sha256, records, fewShot, chat }: PreparedTask): DataDescription {
  const itemsSha256 = createHash('sha256')
    .update(JSON.stringify(items.map(({ id, hash }) => [id, hash])))
    .digest('hex');
  return { source, sha256, records, items: items.length, itemsSha256, fewShot, chat, metrics: task.metrics };
}

export function describeText(text: PreparedText, window: number, stride: number): TextDescription {
  const { source, sha256, tokens, allTokens, bytes, words } = text;
  return { source, sha256, tokens: tokens.length, allTokens, bytes, words, window, stride };
}
