const panelWidth = 470;
const height = 380;
const left = 64;
const right = 18;
const top = 52;
const bottom = 50;
/** Told apart by shape and dashes too. */
const colors = ['#18181b', '#2563eb', '#d97706', '#059669', '#db2777', '#7c3aed', '#0891b2', '#65a30d', '#dc2626', '#71717a'];

/**
 * @typedef {{ x: number, y: number, error?: number }} Dot
 * @typedef {object} Panel
 * @property {string} x axis
 * @property {string} y axis
 * @property {boolean} [log] of y; dots at 0 are left out
 * @property {{ name: string, dots: readonly Dot[] }[]} lines; a name keeps its colour in all panels
 */

/** Lines beside each other in panels, as an SVG of a few kilobytes. @param {string} title @param {readonly Panel[]} panels */
export function chart(title, panels) {
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))];
  const width = panels.length * panelWidth;
  const columns = Math.max(1, Math.floor((width - left) / legendColumn(names)));
  const legendHeight = 18 * Math.ceil(names.length / columns) + 10;
  const legend = names.map((name, index) => {
    const x = left + (index % columns) * ((width - left) / columns);
    const y = height + 4 + 18 * Math.floor(index / columns);
    return `${mark(x, y, index)}<text x="${x + 10}" y="${y + 4}">${escapeXml(name)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height + legendHeight}" role="img" font-family="sans-serif" font-size="12" fill="#3f3f46">
<title>${escapeXml(title)}</title>
<rect width="${width}" height="${height + legendHeight}" fill="#ffffff"/>
<text x="${left}" y="24" font-size="15" fill="#18181b">${escapeXml(title)}</text>
${panels.map((panel, index) => drawPanel(panel, names, index * panelWidth)).join('\n')}
${legend.join('\n')}
</svg>
`;
}

/** Room for a mark and the longest name, of letters that are at most so wide on the mean in any common font. @param {readonly string[]} names */
function legendColumn(names) {
  return Math.max(160, 26 + 7.5 * Math.max(...names.map(({ length }) => length)));
}

/** @param {Panel} panel @param {readonly string[]} names @param {number} offset */
function drawPanel({ x: xName, y: yName, log = false, lines: all }, names, offset) {
  // A logarithmic axis has no place for zeros.
  const lines = log ? all.map(({ name, dots }) => ({ name, dots: dots.filter(({ y }) => y > 0) })) : all;
  const dots = lines.flatMap((line) => line.dots);
  if (dots.length === 0) return '';
  const [lowX, highX] = range(dots.map(({ x }) => x));
  const onY = (/** @type {number} */ value) => (log ? Math.log10(value) : value);
  const [lowY, highY] = range(dots.map(({ y }) => onY(y)));
  const x = (/** @type {number} */ value) => (offset + left + ((value - lowX) / (highX - lowX)) * (panelWidth - left - right)).toFixed(1);
  const y = (/** @type {number} */ value) => {
    const up = Math.min(1, Math.max(0, (onY(value) - lowY) / (highY - lowY)));
    return (height - bottom - up * (height - top - bottom)).toFixed(1);
  };
  const ends = [offset + left, offset + panelWidth - right];
  const parts = ticks(lowX, highX).map(
    (at) =>
      `<line x1="${x(at)}" y1="${top}" x2="${x(at)}" y2="${height - bottom}" stroke="#e4e4e7"/><text x="${x(at)}" y="${height - bottom + 17}" text-anchor="middle">${plain(at)}</text>`,
  );
  for (const at of log ? logTicks(lowY, highY) : ticks(lowY, highY))
    parts.push(
      `<line x1="${ends[0]}" y1="${y(at)}" x2="${ends[1]}" y2="${y(at)}" stroke="#e4e4e7"/><text x="${offset + left - 7}" y="${y(at)}" dy="4" text-anchor="end">${plain(at)}</text>`,
    );
  for (const { name, dots: own } of lines) {
    const index = names.indexOf(name);
    const color = colors[index % colors.length];
    const sorted = [...own].sort((a, b) => a.x - b.x);
    const dash = index >= colors.length / 2 ? ' stroke-dasharray="5 3"' : '';
    if (sorted.length > 1)
      parts.push(
        `<polyline points="${sorted.map((dot) => `${x(dot.x)},${y(dot.y)}`).join(' ')}" fill="none" stroke="${color}" stroke-width="${index === 0 ? 2.5 : 1.3}"${dash}/>`,
      );
    for (const { x: atX, y: atY, error = 0 } of sorted) {
      const from = log ? Math.max(atY - error, 10 ** lowY) : atY - error;
      if (error > 0)
        parts.push(`<line x1="${x(atX)}" y1="${y(from)}" x2="${x(atX)}" y2="${y(atY + error)}" stroke="${color}" stroke-opacity="0.5"/>`);
      parts.push(mark(Number(x(atX)), Number(y(atY)), index));
    }
  }
  const middle = (top + height - bottom) / 2;
  parts.push(`<text x="${(ends[0] + ends[1]) / 2}" y="${height - 12}" text-anchor="middle">${escapeXml(xName)}</text>`);
  parts.push(`<text transform="translate(${offset + 15} ${middle}) rotate(-90)" text-anchor="middle">${escapeXml(yName)}</text>`);
  return parts.join('\n');
}

/** @param {readonly number[]} values @returns {[number, number]} with some air, never empty */
function range(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = 0.06 * (high - low) || Math.max(0.01, 0.1 * Math.abs(high));
  return [low - air, high + air];
}

/** Round numbers within, four to nine of them. @param {number} low @param {number} high */
export function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = /** @type {number} */ ([1, 2, 5, 10].find((factor) => factor * power >= rough)) * power;
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(at * step + 0);
  return found;
}

/** 1, 2, 5 of each power within; where those are few, more. @param {number} low @param {number} high both as powers of ten */
export function logTicks(low, high) {
  /** @param {readonly number[]} factors */
  const within = (factors) => {
    const found = [];
    for (let power = Math.floor(low); power <= high; power++)
      for (const factor of factors) {
        const at = factor * 10 ** power;
        if (Math.log10(at) >= low && Math.log10(at) <= high) found.push(at);
      }
    return found;
  };
  const few = high - low > 3 ? within([1]) : within([1, 2, 5]);
  return few.length >= 3 ? few : within([1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]);
}

const plain = (/** @type {number} */ value) => String(Number(value.toPrecision(3)));

/** @param {number} x @param {number} y @param {number} index */
function mark(x, y, index) {
  const color = colors[index % colors.length];
  if (index % 3 === 1) return `<rect x="${(x - 3.5).toFixed(1)}" y="${(y - 3.5).toFixed(1)}" width="7" height="7" fill="${color}"/>`;
  if (index % 3 === 2) return `<path d="M${x.toFixed(1)} ${(y - 4.5).toFixed(1)}l4.5 8h-9z" fill="${color}"/>`;
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.6" fill="${color}"/>`;
}

/** @param {string} text */
const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
