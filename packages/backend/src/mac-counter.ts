import {
  attentionCoreMacs,
  type GateSet,
  gateMacs,
  type ModelShape,
  type Plan,
  type RowCosts,
  rowCosts,
  standInMacs,
} from '@gateskip/gate';
import type { LoraRowCosts } from '@gateskip/model';

const NO_LORA: LoraRowCosts = { attention: 0, keyValue: 0, mlp: 0 };

/**
 * Counts the layer MACs of one step per plan, as `StepResult.macs` defines them. Sums stay exact: every addend is an
 * integer, and 2^53 is some years of this work.
 *
 * Per row: a kept attention branch costs its projections plus the core over the rows it sees; a repeated one adds the
 * query and output projections and the core again, K and V not. A row that skips attention and still writes its own K
 * and V costs those projections. A gate costs `gateMacs` per evaluation that a rule or a product needs: one per row of
 * the plan where the rule compares gate scores; otherwise, where gates multiply, one per run of the branch on a row.
 * Drawing random scores costs nothing. A skipping row whose stand-in has a map pays `standInMacs`.
 *
 * A low-rank addition costs `rank (in + out)` wherever its matrix is computed under a plan that adds it. The dense model has none: a share of dense
 * compares with the model as its file has it.
 */
export class MacCounter {
  /** [plans] */
  readonly macs: Float64Array;
  /** [plans]: the dense model on the same rows. */
  readonly denseMacs: Float64Array;
  readonly #shape: ModelShape;
  readonly #costs: RowCosts;
  readonly #gate: number;
  readonly #standIn: readonly number[];
  readonly #lora: readonly LoraRowCosts[];

  /** @param lora what additions cost that are computed beside the matrices; absent where there are none, or they are merged */
  constructor(
    shape: ModelShape,
    gates: Pick<GateSet, 'spec' | 'hiddenSize' | 'standInMaps'> | undefined,
    plans: readonly Pick<Plan, 'loraStrength' | 'standIns'>[],
    lora: LoraRowCosts = NO_LORA,
  ) {
    this.macs = new Float64Array(plans.length);
    this.denseMacs = new Float64Array(plans.length);
    this.#shape = shape;
    this.#costs = rowCosts(shape);
    this.#gate = gates === undefined ? 0 : gateMacs(gates.spec, shape.hiddenSize);
    this.#standIn = plans.map(({ standIns }) => (standIns === false ? 0 : standInMacs(gates)));
    this.#lora = plans.map(({ loraStrength }) => (loraStrength === 0 ? NO_LORA : lora));
  }

  /** One row at `position` through the whole dense model. */
  addDenseRow(plan: number, position: number): void {
    const perLayer = this.#costs.attentionProjections + this.#costs.mlp + attentionCoreMacs(this.#shape, position + 1);
    this.denseMacs[plan]! += this.#shape.layers * perLayer;
  }

  /** One kept row of an attention branch that sees `visible` K/V rows, its own included, and runs `times` times. */
  addAttention(plan: number, visible: number, times = 1): void {
    const lora = this.#lora[plan]!;
    const keyValue = this.#costs.kvProjections + lora.keyValue;
    const rest = this.#costs.attentionProjections + lora.attention - keyValue;
    this.macs[plan]! += keyValue + times * (rest + attentionCoreMacs(this.#shape, visible));
  }

  /** One row that skips attention but writes its own K and V. */
  addKeyValue(plan: number): void {
    this.macs[plan]! += this.#costs.kvProjections + this.#lora[plan]!.keyValue;
  }

  /** One kept row of an MLP branch that runs `times` times. */
  addMlp(plan: number, times = 1): void {
    this.macs[plan]! += times * (this.#costs.mlp + this.#lora[plan]!.mlp);
  }

  /** One row that skips a branch. */
  addStandIn(plan: number): void {
    this.macs[plan]! += this.#standIn[plan]!;
  }

  addGates(plan: number, evaluations: number): void {
    this.macs[plan]! += evaluations * this.#gate;
  }
}
