import { agreementAt, type HeldOutCurve, klAt, type TrainReport } from '@gateskip/train';
import { percent } from '../output/format.js';
import { table } from '../output/table.js';

/** The curve of the start beside the trained one, at equal net MACs saved. */
export function trainTable({ start, trained }: TrainReport): string {
  const nets = trained.points.map(({ asked, netSaved }) => (asked === 0 ? 0 : netSaved));
  const rows = nets.map((net) => {
    const [before, after] = [start, trained].map((curve) => readings(curve, net));
    const change = before!.kl !== undefined && after!.kl !== undefined ? percent(after!.kl / before!.kl - 1, 0) : '-';
    return [
      net === 0 ? 'nothing skipped' : percent(net),
      number(before!.kl),
      number(after!.kl),
      net === 0 ? '' : change,
      share(before!.agreement),
      share(after!.agreement),
    ];
  });
  const heads = ['net MACs saved', 'KL start', 'KL trained', 'change', 'same top-1 start', 'same top-1 trained'];
  return table(heads, rows, [0, 1, 2, 3, 4, 5]);
}

function readings(curve: HeldOutCurve, net: number): { readonly kl?: number | undefined; readonly agreement?: number | undefined } {
  // With nothing skipped gates still cost a little: the point itself, not what lies between.
  if (net === 0) return curve.points[0] ?? {};
  return { kl: klAt(curve, net), agreement: agreementAt(curve, net) };
}

// A divergence of rounding alone may be below 0.
const number = (value: number | undefined): string => (value === undefined ? '-' : Math.max(0, value).toFixed(4));
const share = (value: number | undefined): string => (value === undefined ? '-' : percent(value));
