export { type Rgb, scaleColor } from './color-scale.js';
export { HeatMapTooLargeError } from './errors.js';
export { type BranchSummary, summarizeTrace, type TraceSummary } from './summarize-trace.js';
export { type HeatMapSvgOptions, renderHeatMapSvg } from './svg/render-heat-map-svg.js';
export { type HeatMapTextOptions, renderHeatMapText, type TerminalColor } from './text/render-heat-map-text.js';
export { TOKEN_CLASSES, type TokenClass, tokenClass } from './token-class.js';
export type { BranchKinds, SkipTrace } from './trace.js';
