import { renderHeatMapText, summarizeTrace } from '@gateskip/observe';

// [tokens, branches], as in the `trace` of a generation
const scores = Float32Array.from({ length: 40 * 24 }, (_, cell) => 0.5 + 0.45 * Math.sin(cell * 1.7));
const kept = Uint8Array.from(scores, (score) => Number(score > 0.2));
const texts = Array.from({ length: 40 }, (_, token) => ` word${token}`);
const trace = { tokens: texts.map((_, token) => token), texts, branches: 24, scores, kept, promptTokens: 12 };
console.log(renderHeatMapText(trace, { width: 80, color: 'none' }));
console.log(summarizeTrace(trace).skip);
