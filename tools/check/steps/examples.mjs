import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { deadLinks } from '../../examples/dead-links.mjs';
import { packageExamples } from '../../examples/readme-examples.mjs';
import { workspacePackages } from '../../workspace/packages.mjs';
import { runProgram, tail } from '../../workspace/run-program.mjs';

const timeoutMs = 180_000;

const notOurs = /^(node_modules|dist|build.*|temp|fixtures|\..*)$/;

/** Every Markdown file below a folder. @param {string} folder @returns {string[]} */
function markdownFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return notOurs.test(entry.name) ? [] : markdownFiles(join(folder, entry.name));
    return entry.name.endsWith('.md') ? [join(folder, entry.name)] : [];
  });
}

/** Every example is what its README shows and runs against the built packages. @type {import('../check.mjs').Step} */
export async function checkExamples({ root, env, tally, note }) {
  for (const path of markdownFiles(root)) {
    const dead = deadLinks(path);
    if (dead.length > 0) tally.fail(`links of ${relative(root, path)}`, `These lead nowhere: ${dead.join(', ')}.`);
    else tally.pass();
  }
  for (const workspacePackage of workspacePackages(root)) {
    if (workspacePackage.manifest.private) continue;
    const { files, problems } = packageExamples(workspacePackage);
    for (const problem of problems) tally.fail(`README of ${workspacePackage.relativeFolder}`, problem);
    if (problems.length === 0) tally.pass();
    for (const path of files) {
      const display = relative(root, path);
      note(display);
      const { exitCode, output } = await runProgram(process.execPath, [path], {
        cwd: workspacePackage.folder,
        env,
        timeoutMs,
        mayFail: true,
      });
      if (exitCode === 0) tally.pass();
      else
        tally.fail(
          `example ${display}`,
          exitCode === null ? `It ran past ${timeoutMs / 1000} s or crashed.\n${tail(output)}` : tail(output),
        );
    }
  }
}
