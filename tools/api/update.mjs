import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { repositoryRoot } from '../workspace/packages.mjs';
import { extractApiReports } from './extract.mjs';

for (const { path, display, text } of extractApiReports(repositoryRoot)) {
  const unchanged = existsSync(path) && readFileSync(path, 'utf8') === text;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`${unchanged ? 'unchanged' : 'written  '} ${display}`);
}
