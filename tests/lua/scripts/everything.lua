-- SPDX-License-Identifier: Apache-2.0
-- Each kind of cell, each kind of object, each call that a script may make.
plugin = {
  name = "everything", version = "0.1", record = "everything",
  summary = "a row per process and per section",
  columns = {
    { name = "what", kind = "str", flags = "key" },
    { name = "process.pid", kind = "int", flags = "key group", ecs = "process.pid" },
    { name = "process.name", kind = "str", title = "name" },
    { name = "process.created", kind = "time" },
    { name = "process.wow64", kind = "bool" },
    { name = "process.eprocess", kind = "addr" },
    { name = "process.session", kind = "int" },
    { name = "mz", kind = "hex" },
    { name = "unit", kind = "size", unit = "bytes" },
    { name = "words", kind = "flags" },
    { name = "head", kind = "bytes" },
    { name = "starts", kind = "ints" },
    { name = "types", kind = "strs", flags = "wide" },
    { name = "section.file", kind = "str" },
    { name = "section.backing", kind = "str" },
    { name = "kernel.list", kind = "addr" },
    { name = "vads", kind = "int" },
    { name = "junk", kind = "str" },
  },
  options = {
    { name = "every", kind = "flag" },
    { name = "only", kind = "strs" },
    { name = "page", kind = "size", default = "4K" },
    { name = "mode", kind = "enum", values = "plain|fancy", default = "plain" },
  },
}

-- A global: were states shared, it would count on from process to process.
local seen = 0
local starts, types = {}, {}
first = first and "leaked" or "fresh"

function on_process(process)
  assert(first == "fresh")
  assert(option("page") == 4096 and option("mode") == "plain")
  assert(option("every") == false and option("only") == nil)
  assert(tostring(process) == "process")
end

function on_vad(process, vad)
  seen = seen + 1
  starts[#starts + 1] = vad.start
  types[vad.type] = (types[vad.type] or 0) + 1
  assert(vad.size == vad.last - vad.start + 1)
  local same = process:vad(vad.start)
  assert(same and same.node == vad.node)
  if vad.type == "image" then
    local mz = process:uint(vad.start, 2)
    local head = process:read(vad.start, 2)
    assert(not head or string.unpack("<I2", head) == mz)
  end
end

function on_section(section, process)
  emit{ what = "section", ["process.pid"] = process.pid,
        file = section.file_name or section:why("file_name"),
        backing = section.backing }
end

function on_end(process)
  local names = {}
  for name, count in pairs(types) do names[#names + 1] = name .. "=" .. count end
  local list, why = kernel.symbol("PsActiveProcessHead")
  local pid = kernel.member(process.eprocess, "_EPROCESS", "UniqueProcessId")
  assert(pid == process.pid)
  if process.pid == 4 then note("script_system", process.eprocess, "seen") end
  emit{ what = "process", pid = process.pid, name = process.name,
        created = process.create_time, wow64 = process.wow64,
        eprocess = process.eprocess,
        session = process.session or process:why("session"),
        mz = 0x5a4d, unit = option("page"), words = "a b",
        head = "\0\1\xff", starts = starts, types = names,
        list = list or why, vads = seen, junk = "\xff\xfe" }
end
