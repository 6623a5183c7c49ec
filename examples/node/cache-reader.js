// Reads a member's public profile from the cache.
//
// Usage: REDIS_URL=redis://… node cache-reader.js SITE MEMBER
// Exit code: 0 it is printed, 1 the cache has none: ask the record.
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';

const PREFIX = process.env.CACHE_PREFIX ?? 'members:v1';

// The profile, or null: there is no entry, or one without a profile (a tombstone), which readers take for none.
export async function read(cache, site, member) {
  const profile = await cache.hget(`${PREFIX}:${site.toLowerCase()}:${member.toLowerCase()}`, 'member');
  return profile === null ? null : JSON.parse(profile);
}

async function main(site, member) {
  const cache = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: 0, commandTimeout: 500, connectTimeout: 500 });
  cache.on('error', () => {}); // every call says it as well
  const profile = await read(cache, site, member).catch((error) => {
    console.error(`Redis: ${error.message}`); // the cache is a shortcut: without it the way is longer, not closed
    return null;
  });
  if (profile === null) console.error('not in the cache: ask the record');
  else console.log(JSON.stringify(profile));
  return profile === null ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exit(await main(...process.argv.slice(2)));
