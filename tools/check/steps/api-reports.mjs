import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lineDifference } from '../../api/line-difference.mjs';
import { workspacePackages } from '../../workspace/packages.mjs';

const shownLines = 40;

/** The committed reports say what the code exports. @type {import('../check.mjs').Step} */
export async function checkApiReports({ root, tally }) {
  // Loaded late: `pnpm check style` needs no extractor.
  const { extractApiReports } = await import('../../api/extract.mjs');
  const reports = extractApiReports(root);
  for (const { path, display, text } of reports) {
    const kept = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (kept === text) {
      tally.pass();
      continue;
    }
    const lines = lineDifference(kept, text);
    const rest = lines.length > shownLines ? `\n... and ${lines.length - shownLines} more lines` : '';
    tally.fail(
      `API report ${display}`,
      `The public API changed. If that is meant: pnpm api\n${lines.slice(0, shownLines).join('\n')}${rest}`,
    );
  }
  const known = new Set(reports.map(({ path }) => path));
  for (const { folder, relativeFolder } of workspacePackages(root)) {
    const apiFolder = join(folder, 'api');
    for (const fileName of existsSync(apiFolder) ? readdirSync(apiFolder) : []) {
      if (fileName.endsWith('.api.md') && !known.has(join(apiFolder, fileName))) {
        tally.fail(`API report ${relativeFolder}/api/${fileName}`, 'It describes nothing that is published. Remove it.');
      }
    }
  }
}
