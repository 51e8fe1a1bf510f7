/**
 * Where the answer begins in conversations of one prompt and what the model said to it: index of its first token.
 *
 * @param {readonly (readonly number[])[]} conversations tokens, each from its start
 * @param {readonly string[]} prompts what the user said, in any order
 * @param {any} model
 * @param {{ encodeChat: Function }} modelPackage
 * @returns {Promise<number[]>}
 */
export async function answerStarts(conversations, prompts, model, { encodeChat }) {
  const asked = await Promise.all(prompts.map((content) => encodeChat(model, [{ role: 'user', content }], { addGenerationPrompt: true })));
  return conversations.map((tokens, index) => {
    const prompt = asked.find((all) => all.every((/** @type {number} */ token, /** @type {number} */ at) => tokens[at] === token));
    if (prompt === undefined) throw new Error(`Conversation ${index} begins with none of the ${prompts.length} prompts.`);
    return prompt.length;
  });
}
