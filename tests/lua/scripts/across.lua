-- Once for the image: which processes map which section.
plugin = {
  name = "across", version = "1.0.0", record = "across",
  summary = "sections and the processes that map them",
  columns = {
    { name = "section.control_area", kind = "addr", flags = "key" },
    { name = "section.pids", kind = "ints" },
  },
}

function once()
  local areas, pids = {}, {}
  for process in processes() do
    local seen = {}
    for vad in process:vads() do
      local section = vad:section()
      if section and not seen[section.control_area] then
        local area = section.control_area
        seen[area] = true
        if not pids[area] then
          pids[area] = {}
          areas[#areas + 1] = area
        end
        table.insert(pids[area], process.pid)
      end
    end
  end
  for _, area in ipairs(areas) do
    if #pids[area] > 1 then
      emit{ control_area = area, pids = pids[area] }
    end
  end
end
