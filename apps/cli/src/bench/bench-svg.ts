import type { BenchReport } from './bench-report.js';

const width = 640;
const height = 420;
const left = 64;
const top = 48;
const right = 24;
const bottom = 56;

/** Time per decode token against bytes left, the fitted line, and the line on which skipped bytes cost nothing. */
export function benchSvg(report: BenchReport): string {
  const { skip, skipFit, dense, model } = report;
  const denseMs = 1000 / dense.decode.median;
  const most = 1.15 * Math.max(1, ...skip.map(({ decodeSpeedup }) => 1 / decodeSpeedup.low));
  const x = (bytesLeft: number): string => (left + bytesLeft * ((width - left - right) / 1.05)).toFixed(1);
  const y = (timeLeft: number): string => (height - bottom - (timeLeft / most) * (height - top - bottom)).toFixed(1);
  const parts: string[] = [];
  for (let step = 0; step <= 4; step++) {
    const at = step / 4;
    parts.push(`<line x1="${x(at)}" y1="${y(0)}" x2="${x(at)}" y2="${y(most)}" stroke="#e4e4e7"/>`);
    parts.push(`<text x="${x(at)}" y="${height - bottom + 18}" text-anchor="middle">${100 * at} %</text>`);
    parts.push(`<line x1="${x(0)}" y1="${y(at)}" x2="${x(1.05)}" y2="${y(at)}" stroke="#e4e4e7"/>`);
    parts.push(`<text x="${left - 8}" y="${y(at)}" dy="4" text-anchor="end">${(at * denseMs).toFixed(2)}</text>`);
  }
  parts.push(`<line x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}" stroke="#a1a1aa" stroke-dasharray="5 4"/>`);
  if (skipFit) {
    const { interceptShare, slope } = skipFit;
    parts.push(
      `<line x1="${x(0)}" y1="${y(interceptShare)}" x2="${x(1)}" y2="${y(interceptShare + slope)}" stroke="#2563eb" stroke-width="2" clip-path="url(#plot)"/>`,
    );
    const words = `time left = ${slope.toFixed(2)} x bytes left + ${interceptShare.toFixed(3)}: intercept ${(100 * interceptShare).toFixed(1)} % of the dense time`;
    parts.push(`<text x="${width - right}" y="${height - bottom - 12}" text-anchor="end" fill="#2563eb">${words}</text>`);
  }
  for (const { skip: asked, bytesLeft, decodeSpeedup, decodeEfficiency } of skip) {
    const at = x(bytesLeft);
    const { low, median, high } = decodeSpeedup;
    parts.push(`<line x1="${at}" y1="${y(1 / low)}" x2="${at}" y2="${y(1 / high)}" stroke="#18181b"/>`);
    const achieved = `${Math.round(100 * decodeEfficiency.median)} % of what the bytes allow`;
    const words = `${Math.round(100 * asked)} % asked: ${achieved}`;
    parts.push(`<circle cx="${at}" cy="${y(1 / median)}" r="4" fill="#18181b"><title>${words}</title></circle>`);
    // Above the point, on the side away from the line through the origin.
    if (asked > 0) parts.push(`<text x="${at}" y="${y(1 / low)}" dx="-6" dy="-4" text-anchor="end" font-size="10">${words}</text>`);
  }
  // A model's name may be of any length; the picture is not.
  const named = model.name.length > 64 ? `${model.name.slice(0, 63)}…` : model.name;
  const subtitle = escapeText(named);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="sans-serif" font-size="12" fill="#3f3f46">
<title>Time per decode token against bytes read, ${subtitle}</title>
<clipPath id="plot"><rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"/></clipPath>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${left}" y="22" font-size="15" fill="#18181b">Time per decode token against bytes read</text>
<text x="${left}" y="39">${subtitle}</text>
${parts.join('\n')}
<text x="${(left + width - right) / 2}" y="${height - 14}" text-anchor="middle">weights and K/V rows read, share of dense</text>
<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">milliseconds per token</text>
</svg>
`;
}

function escapeText(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
  return text.replace(/[&<>]/g, (character) => names[character] as string).replace(/\p{Cc}/gu, ' ');
}
