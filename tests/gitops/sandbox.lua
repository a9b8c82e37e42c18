-- Runs a script as Argo CD does: Lua 5.1 with its base and table functions, and of `os` the clock alone.
-- On standard input: a line with the length of the script, the script, and the resource as a Lua table. Prints the result as JSON.
local script = io.read(tonumber(io.read("*l")))
local resource = loadstring("return " .. io.read("*a"))()
local clock = {time = os.time, date = os.date}
local allowed = {table = table, obj = resource, os = clock, require = function(name) return assert(({os = clock})[name]) end}
for _, name in ipairs {"assert", "error", "ipairs", "next", "pairs", "pcall", "select", "setmetatable", "tonumber", "tostring", "type"} do
  allowed[name] = _G[name]
end

local function json(value)
  if type(value) == "string" then
    return '"' .. value:gsub('[%c"\\]', function(char) return string.format("\\u%04x", char:byte()) end) .. '"'
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local items = {}
  if #value > 0 or next(value) == nil then
    for _, item in ipairs(value) do table.insert(items, json(item)) end
    return "[" .. table.concat(items, ",") .. "]"
  end
  for key, item in pairs(value) do table.insert(items, json(key) .. ":" .. json(item)) end
  return "{" .. table.concat(items, ",") .. "}"
end

print(json(setfenv(assert(loadstring(script)), allowed)()))
