import { randomInt } from 'node:crypto';

// The words are common, friendly, and easy to say and to spell. No word occurs twice.

export const ADJECTIVES = words(`
  able agile airy alert amiable apt artful avid awake balmy beaming blithe bold brave breezy bright
  brisk bubbly calm candid careful caring cheerful chilly chirpy civil clean clear clever cosy
  crafty crisp curious dainty dapper daring deft dizzy dreamy eager early earnest easy elegant
  fabled fair faithful famous fancy fearless festive fluffy fond frank free fresh friendly frosty
  funny gallant gentle giddy glad gleeful graceful grand grateful handy happy hardy hasty hearty
  helpful honest hopeful humble hungry idle jaunty jolly jovial joyful keen kind lively loyal lucky
  lush mellow merry mighty misty modest neat nifty nimble noble patient perky placid playful
  pleasant plucky polite prompt proud quaint quick quiet quirky rapid ready regal restful robust
  rosy sandy serene shiny shy silent sincere sleepy smart smooth snug sober solid sparkly speedy
  spry stately steady stormy sturdy subtle sunny swift tender thrifty tidy tireless tranquil trusty
  upbeat valiant vivid warm wary watchful wise witty young zesty
`);

export const COLOURS = words(`
  amber azure beige black blue bronze brown chestnut copper coral crimson cyan ebony golden green
  grey hazel indigo ivory jade lavender lilac maroon mauve olive orange pearl pink purple red ruby
  russet saffron scarlet sepia silver tawny teal turquoise umber violet white yellow
`);

export const ANIMALS = words(`
  adder albatross alpaca ant antelope badger bat bear beaver bee beetle bison bittern boar bobcat
  buzzard camel canary caribou carp cat chamois cheetah cicada cobra condor coot cormorant crab
  crane cricket crow cuckoo curlew deer dingo dolphin donkey dormouse dove dragonfly duck eagle eel
  egret eider elk emu ermine falcon ferret finch firefly flamingo fox frog gannet gazelle gecko
  gerbil gibbon giraffe goat goose gopher goshawk grebe grouse gull hamster hare harrier hawk
  hedgehog heron herring hornet horse ibex ibis iguana impala jackal jackdaw jay kestrel kingfisher
  kite kiwi koala lapwing lark lemming lemur leopard linnet lion lizard llama lobster locust loon
  lynx macaw magpie mallard manatee marmot marten martin mink mole moose moth mouse mule newt ocelot
  octopus okapi opossum oriole osprey ostrich otter owl ox oyster panda panther parrot partridge
  pelican penguin perch pheasant pigeon pike plover pony porpoise puffin puma quail rabbit raccoon
  ram raven redstart reindeer robin rook salmon sandpiper seal shark sheep shrew shrike skylark
  sloth snail snipe sparrow squid squirrel starling stoat stork sturgeon swallow swan tapir tern
  thrush tiger toad tortoise toucan trout turtle viper vole walrus warbler wasp weasel whale wolf
  wombat woodcock wren yak zebra
`);

/** Ids of running captures. */
const taken = new Set<string>();

/**
 * A name for a capture that people can say, such as `brave-amber-otter`. It is in every log line about the capture, in
 * all messages to the engine, and in the second comment of the stream. It is not secret, and it is unique until
 * `releaseCaptureId` is called.
 */
export function takeCaptureId(): string {
  for (;;) {
    const id = [ADJECTIVES, COLOURS, ANIMALS].map((list) => list[randomInt(list.length)]).join('-');
    if (taken.has(id)) continue;
    taken.add(id);
    return id;
  }
}

export function releaseCaptureId(id: string): void {
  taken.delete(id);
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
