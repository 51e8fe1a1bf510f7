import type { GateAdapter, LoraFactors, LoraRowCosts, ModelConfig } from '@gateskip/model';
import { bytes, percent } from '../output/format.js';

export interface BackboneDescription {
  readonly rows: readonly (readonly [string, string])[];
  readonly json: Readonly<Record<string, unknown>>;
}

const BFLOAT_BYTES = 2;
const FLOAT_BYTES = 4;

function weighed(fullFromSaved: number | undefined): string {
  return `less of it where less is skipped, nothing in a run without a budget${
    fullFromSaved === undefined ? '' : `, all of it from ${percent(fullFromSaved)} saved on`
  }`;
}

/** What an adapter changes in the model: size, and what it adds to a dense row's layer MACs without a context. */
export async function describeBackbone(adapter: GateAdapter, config: ModelConfig): Promise<BackboneDescription | undefined> {
  const { backbone } = adapter;
  if (backbone === undefined) return undefined;
  const { loraRowCosts } = await import('@gateskip/model');
  const { denseRowMacs } = await import('@gateskip/gate');
  const rows: (readonly [string, string])[] = [];
  const { lora, norms } = backbone;
  const json: Record<string, unknown> = { lora: null, norms: norms === undefined ? null : { count: norms.size } };
  if (lora !== undefined) {
    const costs: LoraRowCosts = loraRowCosts(config, lora);
    const macs = config.layers * (costs.attention + costs.mlp);
    const macShare = macs / denseRowMacs(config, 1);
    const factors = lora.layers.flatMap((layer) => Object.values(layer) as LoraFactors[]);
    const numbers = factors.reduce((sum, { down, up }) => sum + down.length + up.length, 0);
    json.lora = {
      rank: lora.rank,
      alpha: lora.alpha,
      matrices: lora.matrices,
      parameters: numbers,
      bytes: BFLOAT_BYTES * numbers,
      macsPerRow: macs,
      macShare,
    };
    const { curve } = adapter.calibration;
    const fullFrom = curve.find(({ loraStrength = 1 }) => loraStrength === 1);
    const isWeighed = curve.some(({ loraStrength = 1 }) => loraStrength < 1);
    if (isWeighed) json.loraFullFrom = fullFrom ? 1 - fullFrom.net : null;
    rows.push(
      ['low-rank', `rank ${lora.rank}, alpha ${lora.alpha}, on ${lora.matrices.join(', ')}`],
      ['', `${bytes(BFLOAT_BYTES * numbers)} in bfloat16, ${percent(macShare)} of the dense layer MACs more`],
      ...(isWeighed ? [['', weighed(fullFrom && 1 - fullFrom.net)] as const] : []),
    );
  }
  if (norms !== undefined) {
    const size = FLOAT_BYTES * norms.size * config.hiddenSize;
    rows.push(['norms', `${norms.size} of ${2 * config.layers + 1} replaced, ${bytes(size)}`]);
  }
  return { rows, json };
}
