"""The Lua scripts of limits and budgets in Redis. Each is one atomic step; the arithmetic is that of `bucket.py`.

All keys of a fleet's limits have one hash tag, `{prefix}`, so that a cluster keeps them on one server: a decision may touch any
bucket and any budget, and must be one step. KEYS[1] names that server; the scripts make the other names from it.

    {prefix}:b:KEY           a bucket: t = tokens, u = updated at
    {prefix}:s:PERIOD:KEY    spending of a budget, nano-USD: spent, spent@MACHINE, unpriced
    {prefix}:h:PERIOD:KEY    what calls under way hold: nano-USD, or tokens; PERIOD is empty for buckets
    {prefix}:c:CALL          a call: r:PERIOD:KEY = what it holds, d:KEY = 1 once it is charged
    {prefix}:buckets, :spends, :held, :expiring, :proxies, :charged@MACHINE, :recounted     indexes

Times are the server's, so that proxies whose clocks differ take from one bucket. Money is in whole nano-USD: sums stay exact.
"""

from typing import Final

from addon.limits.bucket import DISORDER_S, ROUNDING
from addon.limits.store import KEEP_CHARGED_S, NANOUSD_PER_CENT, RESERVED_S
from addon.storage.lua import Script

KEEP_SPENT_S: Final = 40 * 86_400  # the longest period, and some days
SEEN_LATELY_S: Final = 60  # a proxy without a decision for this long does not count when the others share a quota
_MARGIN_S: Final = 60  # a full bucket is kept for this long, against clocks that are set
_KEEP_INDEX_S: Final = 86_400  # of full buckets and of proxies that are gone
_MOST_EXPIRED: Final = 100  # reservations of dead calls that one decision removes

_COMMON: Final = f"""
local P = string.sub(KEYS[1], 1, -2)
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) + tonumber(time[2]) / 1e6
end
local at = 1
local function take_arg()
    at = at + 1
    return ARGV[at]
end
local function take_number()
    return tonumber(take_arg())
end
local function exact(number)
    return string.format('%.17g', number)
end
local function capacity(check)
    if check.unit == 'request' then return math.max(1, check.quota) end
    return check.quota
end
local function refilled(check)
    local found = redis.call('HMGET', P .. 'b:' .. check.key, 't', 'u')
    if not found[1] then return capacity(check), now, found end
    local tokens, updated = tonumber(found[1]), tonumber(found[2])
    if updated - now > {DISORDER_S} then updated = now end
    tokens = tokens + math.max(0, now - updated) * check.quota / check.window
    return math.min(capacity(check), tokens), math.max(now, updated), found
end
local function write(check, tokens, updated)
    local to_full = math.max(0, capacity(check) - tokens) / (check.quota / check.window)
    redis.call('HSET', P .. 'b:' .. check.key, 't', exact(tokens), 'u', exact(updated))
    redis.call('PEXPIRE', P .. 'b:' .. check.key, math.ceil((to_full + {_MARGIN_S}) * 1000))
    redis.call('ZADD', P .. 'buckets', exact(updated + to_full), check.key)
end
local function hold(command, name, amount)
    if tonumber(redis.call(command, P .. 'h:' .. name, amount)) > 0 then
        redis.call('SADD', P .. 'held', name)
    else
        redis.call('DEL', P .. 'h:' .. name)
        redis.call('SREM', P .. 'held', name)
    end
end
local function release(call)
    local fields = redis.call('HGETALL', P .. 'c:' .. call)
    for i = 1, #fields, 2 do
        if string.sub(fields[i], 1, 2) == 'r:' then
            hold('DECRBY', string.sub(fields[i], 3), fields[i + 1])
            redis.call('HDEL', P .. 'c:' .. call, fields[i])
        end
    end
    redis.call('ZREM', P .. 'expiring', call)
end
local function read_check()
    return {{key = take_arg(), unit = take_arg(), quota = take_number(), window = take_number()}}
end
"""

# Arguments: time or '', proxy, call or '', most nano-USD, most tokens, number of budgets, (key, period, hard or '')...,
# number of checks, (key, unit, quota, window)... Answers: time, proxies seen lately, then for each budget spent, unpriced
# and held, then, unless a budget refuses, for each check tokens, updated at and held as they were before.
DECIDE: Final = Script(
    _COMMON
    + f"""
local proxy, call, nanousd, tokens = take_arg(), take_arg(), take_arg(), take_arg()
redis.call('ZADD', P .. 'proxies', exact(now), proxy)
for _, index in ipairs({{'proxies', 'buckets'}}) do
    redis.call('ZREMRANGEBYSCORE', P .. index, '-inf', exact(now - {_KEEP_INDEX_S}))
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', P .. 'expiring', '-inf', '(' .. exact(now), 'LIMIT', 0, {_MOST_EXPIRED})) do
    release(dead)
end
local answer = {{exact(now), redis.call('ZCOUNT', P .. 'proxies', exact(now - {SEEN_LATELY_S}), '+inf')}}
local budgets, is_over = {{}}, false
for i = 1, take_number() do
    local key, period, hard = take_arg(), take_arg(), take_number()
    local name = period .. ':' .. key
    local found = redis.call('HMGET', P .. 's:' .. name, 'spent', 'unpriced')
    local held = redis.call('GET', P .. 'h:' .. name) or '0'
    local spent, unpriced = found[1] or '0', found[2] or '0'
    table.insert(answer, spent)
    table.insert(answer, unpriced)
    table.insert(answer, held)
    if hard and tonumber(spent) + tonumber(unpriced) + tonumber(held) >= hard then is_over = true end
    budgets[i] = name
end
if is_over then return answer end
local checks, is_allowed = {{}}, true
for i = 1, take_number() do
    local check = read_check()
    local left, updated, found = refilled(check)
    local held = '0'
    if check.unit == 'request' then
        if 1 - left > {ROUNDING} then is_allowed = false end
        left = left - 1
    else
        held = redis.call('GET', P .. 'h::' .. check.key) or '0'
        local used = tonumber(held)
        if check.unit == 'cents' then used = used / {NANOUSD_PER_CENT} end
        if left - used <= 0 then is_allowed = false end
    end
    check.left, check.updated = left, updated
    checks[i] = check
    table.insert(answer, found[1] or '')
    table.insert(answer, found[2] or '')
    table.insert(answer, held)
end
if not is_allowed then return answer end
local function reserve(name, amount)
    local field = 'r:' .. name
    local before = redis.call('HGET', P .. 'c:' .. call, field)
    if before then hold('DECRBY', name, before) end
    redis.call('HSET', P .. 'c:' .. call, field, amount)
    redis.call('PERSIST', P .. 'c:' .. call)
    redis.call('ZADD', P .. 'expiring', exact(now + {RESERVED_S}), call)
    hold('INCRBY', name, amount)
end
for _, check in ipairs(checks) do
    if check.unit == 'request' then
        write(check, check.left, check.updated)
    elseif call ~= '' then
        reserve(':' .. check.key, check.unit == 'cents' and nanousd or tokens)
    end
end
if call ~= '' then
    for _, name in ipairs(budgets) do reserve(name, nanousd) end
end
return answer
"""
)

# Arguments: time or '', machine, call, number of charges, (key, unit, quota, window, amount or '')..., number of spends,
# (key, period, nano-USD)..., number of unpriced or -1 for what was reserved, (key, period, nano-USD)..., settled calls...
SETTLE: Final = Script(
    _COMMON
    + f"""
local machine, call = take_arg(), take_arg()
local mark = P .. 'c:' .. call
local function is_first(key)
    local first = redis.call('HSETNX', mark, 'd:' .. key, 1) == 1
    if first then
        redis.call('SADD', P .. 'charged@' .. machine, call)
        redis.call('EXPIRE', P .. 'charged@' .. machine, {KEEP_CHARGED_S:.0f})
    end
    return first
end
for _ = 1, take_number() do
    local check = read_check()
    local amount = take_number()
    if is_first(check.key) then
        if not amount then
            amount = tonumber(redis.call('HGET', mark, 'r::' .. check.key) or '0')
            if check.unit == 'cents' then amount = amount / {NANOUSD_PER_CENT} end
        end
        local left, updated = refilled(check)
        write(check, left - amount, updated)
    end
end
local function spend(key, period, nanousd, ...)
    local name = period .. ':' .. key
    for _, field in ipairs({{...}}) do redis.call('HINCRBY', P .. 's:' .. name, field, nanousd) end
    redis.call('EXPIRE', P .. 's:' .. name, {KEEP_SPENT_S})
    redis.call('SADD', P .. 'spends', name)
end
for _ = 1, take_number() do
    local key, period, nanousd = take_arg(), take_arg(), take_arg()
    if is_first(key) then spend(key, period, nanousd, 'spent', 'spent@' .. machine) end
end
local unpriced = take_number()
if unpriced < 0 then
    local fields = redis.call('HGETALL', mark)
    for i = 1, #fields, 2 do
        local period, key = string.match(fields[i], '^r:([^:]+):(.*)$')
        if period and is_first('unpriced|' .. key) then spend(key, period, fields[i + 1], 'unpriced') end
    end
end
for _ = 1, unpriced do
    local key, period, nanousd = take_arg(), take_arg(), take_arg()
    if is_first('unpriced|' .. key) then spend(key, period, nanousd, 'unpriced') end
end
release(call)
redis.call('EXPIRE', mark, {KEEP_CHARGED_S:.0f})
while at < #ARGV do
    local settled = take_arg()
    redis.call('DEL', P .. 'c:' .. settled)
    redis.call('SREM', P .. 'charged@' .. machine, settled)
end
return 1
"""
)

# Makes what a machine's calls spent what its rows say. Arguments: '', machine, (key, period, change in nano-USD)...
CORRECT: Final = Script(
    _COMMON
    + f"""
local machine = take_arg()
while at < #ARGV do
    local key, period, change = take_arg(), take_arg(), take_arg()
    local name = period .. ':' .. key
    redis.call('HINCRBY', P .. 's:' .. name, 'spent', change)
    redis.call('HINCRBY', P .. 's:' .. name, 'spent@' .. machine, change)
    redis.call('EXPIRE', P .. 's:' .. name, {KEEP_SPENT_S})
    redis.call('SADD', P .. 'spends', name)
end
return 1
"""
)

# Removes buckets and spending without a trace. Arguments: '', number of buckets, key..., number of names, PERIOD:KEY...
FORGET: Final = Script(
    _COMMON
    + """
for _ = 1, take_number() do
    local key = take_arg()
    redis.call('DEL', P .. 'b:' .. key)
    redis.call('ZREM', P .. 'buckets', key)
end
for _ = 1, take_number() do
    local name = take_arg()
    redis.call('DEL', P .. 's:' .. name, P .. 'h:' .. name)
    redis.call('SREM', P .. 'spends', name)
    redis.call('SREM', P .. 'held', name)
end
return 1
"""
)
