import { execFile } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeJson } from '../quality/files.mjs';
import { anchorTexts } from './anchor-texts.mjs';

const cli = fileURLToPath(new URL('../../apps/cli/dist/main.js', import.meta.url));
const MOST_OUTPUT_BYTES = 256 * 1024 * 1024;

/**
 * What the gates keep open in some texts, by `gateskip inspect`. No token is pinned: otherwise the first would be open by rule.
 *
 * @param {any} piece @param {any} run
 */
export async function measureAnchors({ name, file, curve, saved }, { options, adapter }) {
  const { out, model, threads, signal } = options;
  const texts = [];
  for (const [index, text] of anchorTexts.entries()) {
    const prompt = join(out, `${name}-${index}.txt`);
    const part = join(out, `${name}-${index}.svg.part`);
    writeFileSync(prompt, text);
    const args = [
      'inspect',
      model,
      '--file',
      prompt,
      '--raw',
      '--adapter',
      file,
      '--budget',
      `net=${Math.round(1000 * (1 - saved)) / 10}%`,
    ];
    const more = ['--policy-option', 'pinnedTokens=0', '--skips', '--generate', '0', '--color', 'none', '--json', '--svg', part];
    try {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [cli, ...args, ...more, ...(threads ? ['--threads', String(threads)] : [])],
        {
          signal,
          maxBuffer: MOST_OUTPUT_BYTES,
        },
      );
      const { trace } = JSON.parse(stdout);
      if (index === 0) renameSync(part, join(out, `${name}.svg`));
      texts.push({ texts: trace.texts, branches: trace.branches, kept: trace.kept.join('') });
    } finally {
      rmSync(prompt, { force: true });
      rmSync(part, { force: true });
    }
  }
  const { protectedBranches } = adapter.calibration;
  writeJson(join(out, `${name}.json`), {
    piece: { part: 'anchors', name, curve, saved, adapter: basename(file) },
    protectedBranches,
    texts,
  });
  return `${texts.reduce((sum, each) => sum + each.texts.length, 0)} tokens`;
}

/** The picture of the first text, where there is one. @param {string} out @param {string} name */
export function anchorPicture(out, name) {
  try {
    return readFileSync(join(out, `${name}.svg`), 'utf8');
  } catch {
    return undefined;
  }
}
