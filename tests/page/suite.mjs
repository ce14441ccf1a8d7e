// A test with a world, a window and the page in it, all gone afterwards.

import { test } from "node:test";
import { launch, newContext, noComplaints, openPage } from "./browser.mjs";
import { World } from "./world.mjs";

const browser = await launch();

/** `body` is given `{ world, context, page }`. */
export function promise(name, { world: makeWorld = World.twoAccounts, ...options }, body) {
  test(name, async () => {
    const world = await makeWorld();
    const context = await newContext(browser, options);
    try {
      const page = await openPage(context, world);
      await body({ world, context, page });
      noComplaints(context);
    } catch (error) {
      console.error(world.said);
      throw error;
    } finally {
      await context.close();
      await world.end();
    }
  });
}
