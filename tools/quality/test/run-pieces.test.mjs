import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pieceRunner } from '../run-pieces.mjs';

const pieces = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
let out = '';
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'pieces-'));
  for (const name of ['a', 'b']) writeFileSync(join(out, `${name}.json`), '{}');
});
afterEach(() => {
  rmSync(out, { recursive: true });
  process.exitCode = undefined;
});

/** @param {{ isStale?: (piece: { name: string }) => boolean, open?: () => void }} [own] */
async function measured({ isStale, open = () => {} } = {}) {
  /** @type {string[]} */
  const done = [];
  await pieceRunner().runPieces(pieces, out, {
    ...(isStale && { isStale }),
    open: async () => {
      open();
      return { close: async () => {} };
    },
    measure: async ({ name }) => {
      done.push(name);
      return '';
    },
  });
  return done;
}

it('measures what has no file', async () => {
  expect(await measured()).toEqual(['c']);
});

it('measures again what is stale, whose file stays where opening fails', async () => {
  const isStale = (/** @type {{ name: string }} */ { name }) => name === 'b';
  expect(await measured({ isStale })).toEqual(['b', 'c']);
  const refuse = () => {
    throw new Error('settings changed');
  };
  await expect(measured({ isStale, open: refuse })).rejects.toThrow('settings changed');
  expect(existsSync(join(out, 'b.json'))).toBe(true);
});

it('does not open where nothing is left', async () => {
  writeFileSync(join(out, 'c.json'), '{}');
  const refuse = () => {
    throw new Error('opened');
  };
  expect(await measured({ open: refuse })).toEqual([]);
});
