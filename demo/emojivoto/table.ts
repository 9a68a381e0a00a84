// The hundred emoji one can vote for, as a table: what it looks like, its shortcode, and the gRPC method that votes
// for it. Everything that lists them (both services, the .proto file, the tests) is derived from here.

export interface Row {
  readonly unicode: string;
  readonly shortcode: string;
  readonly method: `Vote${string}`;
}

/** All emoji in the order in which the page shows them. */
export const table: readonly Row[] = `
  😂 joy              😎 sunglasses        🍩 doughnut         😜 stuck_out_tongue_winking_eye
  🤑 money_mouth_face 😳 flushed           😷 mask             🤓 nerd_face
  👻 ghost            💀 skull             😻 heart_eyes_cat   🙉 hear_no_evil
  🙈 see_no_evil      🙊 speak_no_evil     🤖 robot            👽 alien
  🎃 jack_o_lantern   💩 poop              🥳 partying_face    🤠 cowboy_hat_face
  🤯 exploding_head   🥶 cold_face         😴 sleeping         🤔 thinking
  👷 construction_worker 🕵️ detective      🤴 prince           👸 princess
  🎅 santa            🧙 mage              🧜 merperson        🦸 superhero
  💃 dancer           🕺 man_dancing       🏄 surfer           🚴 bicyclist
  🏌️ golfer           ⛷️ skier              🤸 cartwheeling     🧗 climbing
  👆 point_up_2       🖖 vulcan_salute     🤘 metal            🤙 call_me_hand
  👍 thumbsup         👋 wave              👏 clap             🙌 raised_hands
  🙏 pray             💪 muscle            🐶 dog              🐈 cat2
  🐷 pig              🐣 hatching_chick    🐌 snail            🦃 turkey
  🐰 rabbit           🦄 unicorn           🐙 octopus          🦋 butterfly
  🐢 turtle           🦔 hedgehog          🥓 bacon            🍕 pizza
  🌮 taco             🌯 burrito           🍜 ramen            🍾 champagne
  🍹 tropical_drink   🍺 beer              🥃 tumbler_glass    🥑 avocado
  🍓 strawberry       🧀 cheese            🗺️ world_map        🏖️ beach_umbrella
  🏔️ mountain_snow    🏕️ camping           🚂 steam_locomotive 🛫 flight_departure
  🚀 rocket           🌟 star2             🌈 rainbow          ⛅ partly_sunny
  🔥 fire             🎈 balloon           🎉 tada             🏆 trophy
  📱 iphone           📟 pager             📠 fax              💡 bulb
  💸 money_with_wings 🔮 crystal_ball      🔞 underage         ⁉️ interrobang
  💯 100              🏁 checkered_flag    ⚔️ crossed_swords   💾 floppy_disk
`
  .matchAll(/(\S+)\s+(\S+)/g)
  .map(([, unicode = "", word = ""]) => ({
    unicode,
    shortcode: `:${word}:`,
    method: `Vote${pascal(word)}` as const,
  }))
  .toArray();

function pascal(word: string): string {
  return word.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
