import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { workspacePackages } from '../../workspace/packages.mjs';
import { seconds } from '../../workspace/progress.mjs';
import { runProgram, tail } from '../../workspace/run-program.mjs';
import { Tally } from '../tally.mjs';

/** @typedef {{ name: string, folder: string, args: string[] }} TestSet */

/** @param {string} root @returns {TestSet[]} */
function testSets(root) {
  const reporter = join(root, 'tools', 'test', 'summary-reporter.mjs');
  const common = ['run', '--reporter=default', `--reporter=${reporter}`, '--no-color'];
  const own = { name: 'tools', folder: root, args: [...common, '--config', join('tools', 'test', 'tools.vitest.config.ts')] };
  return [own, ...workspacePackages(root).map(({ relativeFolder, folder }) => ({ name: relativeFolder, folder, args: common }))];
}

/**
 * One vitest process for one package: a native crash in one cannot take the others with it.
 *
 * @param {TestSet} set
 * @param {import('../check.mjs').StepContext} context
 */
async function runTestSet(set, { root, env, note }) {
  const tally = new Tally();
  const summaryPath = join(root, '.cache', 'test', `${set.name.replaceAll('/', '-')}.json`);
  mkdirSync(join(root, '.cache', 'test'), { recursive: true });
  rmSync(summaryPath, { force: true });
  const { exitCode, output } = await runProgram('vitest', set.args, {
    cwd: set.folder,
    env: { ...env, GATESKIP_TEST_SUMMARY: summaryPath },
    onLine: (line) => note(`${set.name} ${line}`),
    mayFail: true,
  });
  if (existsSync(summaryPath)) {
    const { passed, failures, skips } = JSON.parse(readFileSync(summaryPath, 'utf8'));
    tally.pass(passed);
    for (const { name, message } of failures) tally.fail(`${set.name}: ${name}`, message);
    for (const { name, reason } of skips) tally.skip(`${set.name}: ${name}`, reason);
  }
  if (exitCode !== 0 && tally.failures.length === 0) tally.fail(`${set.name}: vitest`, tail(output));
  return tally;
}

/** The tests of every package and of the tools. @type {import('../check.mjs').Step} */
export async function runTests(context) {
  const { root, only } = context;
  for (const set of testSets(root)) {
    if (only && !set.name.includes(only)) continue;
    const started = performance.now();
    const tally = await runTestSet(set, context);
    console.log(`  ${tally.failures.length === 0 ? '✓' : '✗'} ${set.name}: ${tally.summary()} (${seconds(performance.now() - started)})`);
    context.tally.add(tally);
  }
}
