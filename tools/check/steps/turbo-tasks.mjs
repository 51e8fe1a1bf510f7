import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram, tail } from '../../workspace/run-program.mjs';

/** The record that turbo wrote last. @param {string} root @param {number} sinceMs */
function latestRun(root, sinceMs) {
  const folder = join(root, '.turbo', 'runs');
  if (!existsSync(folder)) return undefined;
  const [latest] = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.json') && statSync(path).mtimeMs >= sinceMs)
    .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs);
  return latest ? JSON.parse(readFileSync(latest, 'utf8')) : undefined;
}

/**
 * Runs turbo tasks over all packages; every task of every package counts as one check.
 *
 * @param {...string} tasks
 * @returns {import('../check.mjs').Step}
 */
export function turboTasks(...tasks) {
  return async ({ root, env, tally, note }) => {
    const startedMs = Date.now();
    const args = ['run', ...tasks, '--continue=always', '--summarize', '--no-color'];
    const { exitCode, output } = await runProgram('turbo', args, { cwd: root, env, onLine: note, mayFail: true });
    const record = latestRun(root, startedMs - 1000);
    for (const { taskId, execution, cache } of record?.tasks ?? []) {
      const code = execution?.exitCode;
      if (code === 0 || cache?.status === 'HIT') tally.pass();
      else if (code !== undefined) tally.fail(taskId, outputOf(taskId, output));
    }
    if (exitCode !== 0 && tally.failures.length === 0) tally.fail(`turbo run ${tasks.join(' ')}`, tail(output));
  };
}

/** The lines that one task wrote. @param {string} taskId @param {string} output */
function outputOf(taskId, output) {
  const prefix = `${taskId.replace('#', ':')}: `;
  const lines = output.split('\n').filter((line) => line.startsWith(prefix));
  return tail(lines.map((line) => line.slice(prefix.length)).join('\n'), 60);
}
