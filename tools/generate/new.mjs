import { repositoryRoot } from '../workspace/packages.mjs';
import { generate, generators } from './generate.mjs';

const [kind, name] = process.argv.slice(2);
if (!kind || !name) {
  console.log('pnpm new <kind> <name>\n');
  for (const [key, { describe }] of Object.entries(generators)) console.log(`  ${key.padEnd(8)} ${describe}`);
  process.exit(kind ? 2 : 0);
}
try {
  const { written, next } = generate(repositoryRoot, kind, name);
  console.log(written.map((path) => `wrote ${path}`).join('\n'));
  console.log(`\nNext:\n${next.map((line, index) => `  ${index + 1}. ${line}`).join('\n')}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
