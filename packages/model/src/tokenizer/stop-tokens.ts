/** Special tokens that end a turn or a text in the model families that share the Llama form. */
export const endOfTurnNames: ReadonlySet<string> = new Set([
  '<|im_end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end|>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<end_of_turn>',
  '<EOT>',
  '<|EOT|>',
  '</s>',
]);
