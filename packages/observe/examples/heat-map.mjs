import { writeFile } from 'node:fs/promises';
import { renderHeatMapSvg, renderHeatMapText, summarizeTrace } from '@gateskip/observe';

// Stands for the `trace` of a generation: 12 layers, 40 tokens, deep layers skip more, the first token never.
const tokens = Array.from({ length: 40 }, (_, index) => index);
const branches = 24;
const score = (token, branch) => (token === 0 ? 0.97 : 0.5 + 0.45 * Math.sin(token * 1.7 + branch * 0.9) - 0.01 * branch);
const scores = Float32Array.from({ length: tokens.length * branches }, (_, cell) => score(Math.floor(cell / branches), cell % branches));
const kept = Uint8Array.from(scores, (value) => (value <= 0.2 ? 0 : 1));
const texts = tokens.map((token) => (token === 0 ? '<|im_start|>' : ` word${token}`));
const trace = { tokens, texts, branches, scores, kept, promptTokens: 12 };

console.log(renderHeatMapText(trace, { width: 80, color: process.stdout.isTTY ? 'truecolor' : 'none' }));
console.log(summarizeTrace(trace).skip);
if (process.argv[2]) await writeFile(process.argv[2], renderHeatMapSvg(trace));
