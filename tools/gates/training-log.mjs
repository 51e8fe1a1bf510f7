import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * One line of the training chart.
 *
 * @typedef {object} TrainingRun
 * @property {string} name
 * @property {string} recipe
 * @property {number} tokens trained
 * @property {number} seconds of steps
 * @property {readonly { tokens: number, points: readonly { asked: number, saved: number, kl: number }[] }[]} looks at held-out text
 */

/** Looks of runs whose folder is there. @param {readonly { name: string, run: string }[]} runs @returns {TrainingRun[]} */
export function readTraining(runs) {
  return runs.flatMap(({ name, run }) => {
    const path = join(run, 'log.jsonl');
    if (!existsSync(path)) return [];
    const configPath = join(run, 'config.json');
    const config = existsSync(configPath) ? JSON.parse(readFileSync(configPath, 'utf8')) : {};
    return [{ name, recipe: config.recipe?.name ?? basename(run), ...parseLog(readFileSync(path, 'utf8')) }];
  });
}

/** @param {string} text JSON Lines of a run; half a line at the end is not there yet */
export function parseLog(text) {
  /** @type {any[]} */
  const lines = text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
  const steps = lines.filter(({ kind }) => kind === 'step');
  const looks = lines
    .filter(({ kind }) => kind === 'look')
    .map(({ tokens, points }) => ({
      tokens,
      points: points.map((/** @type {any} */ { asked, netSaved, kl }) => ({ asked, saved: netSaved, kl })),
    }));
  const stepped = steps.reduce((sum, { tokens }) => sum + tokens, 0);
  return { tokens: Math.max(stepped, looks.at(-1)?.tokens ?? 0), seconds: steps.reduce((sum, { ms }) => sum + ms, 0) / 1000, looks };
}
