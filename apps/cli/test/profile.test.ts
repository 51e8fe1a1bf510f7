import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const other = join(folder, 'other.gguf');
const text = join(folder, 'text.txt');
const out = join(folder, 'profile.json');
const quick = ['--backend', 'reference', '--tokens', '300', '--window', '64', '--removal-tokens', '64', '--removal-rows', '32'];

interface ProfileDocument {
  readonly out: string;
  readonly profile: { readonly blockInfluence: readonly number[]; readonly removalKl: readonly number[] };
}

interface RunDocument {
  readonly policy: string;
  readonly skip: { readonly held: { readonly skip: number; readonly net: number } };
}

beforeAll(async () => {
  writeTinyModel(model);
  writeTinyModel(other, { seed: 2 });
  writeFileSync(text, Array.from({ length: 60 }, (_, i) => `the cat sat on the mat and sang ${i} well, the bell rings.`).join('\n'));
  const ran = await commandLine(['profile', model, '--out', out, '--text', text, '--json', ...quick]);
  expect(ran.stderr).not.toContain('error');
  expect(ran.code).toBe(0);
  const { profile } = documentOf<ProfileDocument>(ran);
  expect(profile.removalKl).toHaveLength(2 * profile.blockInfluence.length);
});

describe('gateskip profile', () => {
  it('prints a table, and replaces no file unasked', async () => {
    const again = await commandLine(['profile', model, '--out', out, '--text', text, ...quick]);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('--force');
    const forced = await commandLine(['profile', model, '--out', join(folder, 'second.json'), '--text', text, ...quick]);
    expect(forced.code).toBe(0);
    expect(forced.stdout).toContain('influence');
    expect(readFileSync(join(folder, 'second.json'), 'utf8')).toBe(readFileSync(out, 'utf8'));
  });

  it('ends at Ctrl-C without a file', async () => {
    const signal = AbortSignal.abort();
    const path = join(folder, 'none.json');
    const ran = await commandLine(['profile', model, '--out', path, '--text', text, ...quick], { signal });
    expect(ran.code).toBe(130);
    expect(existsSync(path)).toBe(false);
  });
});

describe('--profile', () => {
  const run = (...words: string[]) =>
    commandLine(['run', model, 'hello there', '--backend', 'reference', '-n', '6', '--json', '--adapter', 'none', ...words]);
  const free = ['--policy-option', 'protectedBranches=[]', '--policy-option', 'pinnedTokens=0'];

  it.each(['static-influence', 'static-kl'])('serves policy %s', async (policy) => {
    const ran = await run('--budget', 'skip=50%', '--policy', policy, '--profile', out, ...free);
    expect(ran.stderr).not.toContain('error');
    const document = documentOf<RunDocument>(ran);
    expect(document.policy).toBe(policy);
    expect(document.skip.held.skip).toBeGreaterThanOrEqual(0.5);
  });

  it('is asked for where a policy needs it, and refused where it is of other weights, damaged or of no use', async () => {
    const code = async (...words: string[]) => documentOf<ErrorDocument>(await run(...words)).error.code;
    expect(await code('--budget', '30%', '--policy', 'static-kl', ...free)).toBe('GS_POLICY_NEEDS');
    expect(await code('--budget', '30%', '--policy', 'oracle', ...free)).toBe('GS_POLICY_NEEDS');
    expect(await code('--profile', out)).toBe('GS_USAGE');
    expect(await code('--budget', '30%', '--policy', 'static-kl', '--profile', text)).toBe('GS_PROFILE_INVALID');
    const words = ['run', other, 'hello', '--backend', 'reference', '--json', '--adapter', 'none', '--budget', '30%'];
    const ran = await commandLine([...words, '--policy', 'static-kl', '--profile', out]);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_PROFILE_MISMATCH');
  });
});
