// The published package carries the kernels' sources, which live in the repository's kernels folder.
import { cp, rm } from 'node:fs/promises';

const target = new URL('../kernels/', import.meta.url);
await rm(target, { recursive: true, force: true });
await cp(new URL('../../../kernels/cpu/src/', import.meta.url), target, { recursive: true });
