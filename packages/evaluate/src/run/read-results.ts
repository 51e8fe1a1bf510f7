import { readFile, stat } from 'node:fs/promises';
import { ResultsInvalidError } from '../errors.js';
import type { EvaluationResults } from './results.js';

const MAX_BYTES = 1024 * 1024 * 1024;

/**
 * Reads a file of results and checks what comparing needs of it.
 *
 * @throws ResultsInvalidError
 */
export async function readResults(path: string): Promise<EvaluationResults> {
  let value: unknown;
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw new ResultsInvalidError(path, `it has ${size} bytes, at most ${MAX_BYTES} are read`);
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof ResultsInvalidError) throw error;
    throw new ResultsInvalidError(path, (error as Error).message);
  }
  const problem = problemOf(value);
  if (problem !== undefined) throw new ResultsInvalidError(path, problem);
  return value as EvaluationResults;
}

function problemOf(value: unknown): string | undefined {
  if (!isObject(value)) return 'it is no object';
  if (value.schema !== 'gateskip.eval/1') return `its schema is ${JSON.stringify(value.schema)?.slice(0, 80)}, not "gateskip.eval/1"`;
  if (!isObject(value.data) || !isObject(value.texts) || !isObject(value.model)) return 'data, texts or model are missing';
  for (const data of Object.values(value.data))
    if (!isObject(data) || typeof data.itemsSha256 !== 'string' || !Array.isArray(data.metrics)) return 'its data are not described';
  if (!Array.isArray(value.runs) || value.runs.length === 0) return 'it has no runs';
  for (const run of value.runs as unknown[]) {
    if (!isObject(run) || typeof run.label !== 'string' || !isObject(run.tasks)) return 'a run has no label or no tasks';
    for (const [name, task] of Object.entries(run.tasks)) {
      if (!isObject(task) || !Array.isArray(task.perItem)) return `task ${name} of run ${run.label} has no items`;
      for (const item of task.perItem as unknown[]) {
        if (!isObject(item) || typeof item.id !== 'string' || typeof item.hash !== 'string' || !isObject(item.scores))
          return `an item of task ${name} is damaged`;
        if (!Object.values(item.scores).every((score) => typeof score === 'number' && Number.isFinite(score)))
          return `a score of task ${name} is no number`;
      }
    }
    if (isObject(run.perplexity) && !Array.isArray(run.perplexity.windows)) return `the perplexity of run ${run.label} has no windows`;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
