import { repositoryRoot } from '../workspace/packages.mjs';
import { findViolations } from './find-violations.mjs';

const { violations, files } = findViolations(repositoryRoot);
for (const { rule, place, message } of violations) console.error(`${place}: ${rule}: ${message}`);
console.log(`${files} files, ${violations.length} boundary violations`);
process.exitCode = violations.length > 0 ? 1 : 0;
