/** What the dense model answers for the report's second text. None of them is among the prompts that gates are fitted on. */
export const prompts = [
  'My neighbour plays loud music at night. Help me write a polite note.',
  'How do bees find their way back to the hive?',
  'Plan three days in a mountain village for a family with two children.',
  'What is the difference between a comet and an asteroid?',
  'Tell me the story of a clock that ran backwards.',
  'How can I get rid of rust on an old bicycle chain?',
  'Explain to a child why leaves turn red in autumn.',
  'Which questions should I ask before renting a flat?',
  'Write a short dialogue between a baker and a customer who wants the impossible.',
  'What happens in a computer when I press a key?',
  'Give me a recipe for lentil soup and say what each spice does.',
  'Why did sailors fear scurvy, and how was it overcome?',
  'Compare living in a city with living in the country.',
  'How does a bridge carry the weight of a train?',
  'Suggest five games for a rainy afternoon without a screen.',
  'What makes bread rise?',
];
