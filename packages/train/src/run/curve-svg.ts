import { type HeldOutCurve, klAt } from './held-out-curve.js';

const width = 720;
const height = 400;
const left = 64;
const top = 48;
const right = 120;
const bottom = 52;
const colors = ['#71717a', '#2563eb', '#059669', '#d97706', '#dc2626', '#7c3aed', '#0891b2', '#be185d'];

/** KL to the dense model on held-out text over the tokens trained on, a line for each budget at equal net share saved. */
export function trainingCurveSvg(looks: readonly HeldOutCurve[], title: string): string {
  const budgets = looks[0]?.points.map(({ asked }) => asked) ?? [];
  const lines = budgets.map((asked, index) =>
    looks.flatMap((look) => {
      const kl = asked === 0 ? look.points[0]?.kl : (klAt(look, asked) ?? look.points[index]?.kl);
      return kl === undefined ? [] : [{ tokens: look.tokens, kl }];
    }),
  );
  const mostTokens = Math.max(1, ...looks.map(({ tokens }) => tokens));
  const mostKl = 1.1 * Math.max(1e-6, ...lines.flat().map(({ kl }) => kl));
  const x = (tokens: number): string => (left + (tokens / mostTokens) * (width - left - right)).toFixed(1);
  const y = (kl: number): string => (height - bottom - (kl / mostKl) * (height - top - bottom)).toFixed(1);
  const parts: string[] = [];
  for (let step = 0; step <= 4; step++) {
    const kl = (step / 4) * mostKl;
    parts.push(`<line x1="${left}" y1="${y(kl)}" x2="${width - right}" y2="${y(kl)}" stroke="#e4e4e7"/>`);
    parts.push(`<text x="${left - 8}" y="${y(kl)}" dy="4" text-anchor="end">${kl.toPrecision(2)}</text>`);
    const tokens = Math.round((step / 4) * mostTokens);
    parts.push(`<text x="${x(tokens)}" y="${height - bottom + 18}" text-anchor="middle">${tokens}</text>`);
  }
  for (const [index, line] of lines.entries()) {
    const color = colors[index % colors.length];
    const path = line.map(({ tokens, kl }) => `${x(tokens)},${y(kl)}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const { tokens, kl } of line)
      parts.push(
        `<circle cx="${x(tokens)}" cy="${y(kl)}" r="3" fill="${color}"><title>${tokens} tokens: ${kl.toFixed(4)}</title></circle>`,
      );
    const last = line.at(-1);
    const words = budgets[index] === 0 ? 'nothing skipped' : `${+(100 * budgets[index]!).toFixed(1)} %`;
    if (last) parts.push(`<text x="${width - right + 10}" y="${y(last.kl)}" dy="4" fill="${color}">${words}</text>`);
  }
  // A name may be of any length; the picture is not.
  const named = escapeText(title.length > 80 ? `${title.slice(0, 79)}…` : title);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="sans-serif" font-size="12" fill="#3f3f46">
<title>Held-out divergence while training, ${named}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${left}" y="22" font-size="15" fill="#18181b">KL to the dense model on held-out text, by net MACs saved</text>
<text x="${left}" y="39">${named}</text>
${parts.join('\n')}
<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">tokens trained on</text>
<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">nats per token</text>
</svg>
`;
}

function escapeText(text: string): string {
  return text.replace(/[<>&]/g, (letter) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;' })[letter] as string).replace(/[^\P{Cc}]/gu, '');
}
