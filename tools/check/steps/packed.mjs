import { join } from 'node:path';
import { importPacked } from '../../packed/install-packed.mjs';
import { packAll } from '../../packed/pack.mjs';
import { runProgram, tail } from '../../workspace/run-program.mjs';

const everyTarballHolds = ['package.json', 'README.md', 'LICENSE'];

/** publint, are-the-types-wrong, and an import from an empty project. @type {import('../check.mjs').Step} */
export async function checkPacked({ root, env, tally, note }) {
  const packed = await packAll(root, join(root, '.cache', 'packed'), env);
  for (const { workspacePackage, tarball, files } of packed) {
    const { name } = workspacePackage;
    note(name);
    const missing = everyTarballHolds.filter((path) => !files.includes(path));
    const sources = files.filter((path) => /^(src|test)\//.test(path));
    if (missing.length > 0) tally.fail(`tarball of ${name}`, `It lacks ${missing.join(', ')}.`);
    else if (sources.length > 0) tally.fail(`tarball of ${name}`, `It holds sources: ${sources.slice(0, 5).join(', ')}.`);
    else tally.pass();

    const linted = await runProgram('publint', ['run', tarball, '--strict'], { env, mayFail: true });
    if (linted.exitCode === 0) tally.pass();
    else tally.fail(`publint ${name}`, tail(linted.output));

    const typed = await runProgram('attw', [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji', '--format', 'ascii'], {
      env,
      mayFail: true,
    });
    if (typed.exitCode === 0) tally.pass();
    else tally.fail(`are-the-types-wrong ${name}`, tail(typed.output));
  }
  note('importing from an empty project');
  for (const { specifier, error } of await importPacked(packed, env)) {
    if (error === undefined) tally.pass();
    else tally.fail(`import of packed ${specifier}`, tail(error));
  }
}
