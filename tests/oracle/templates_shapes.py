"""More templates for templates_oracle.py, written for it; each name says which family has such constructs."""

SHAPES = {}

SHAPES["llama3_headers"] = """\
{% set turns = messages %}{% for turn in turns %}{% set block = '<|head|>' + turn['role'] + '<|tail|>\\n\\n' + turn['content'] | trim + '<|eot|>' %}{% if loop.index0 == 0 %}{% set block = bos_token + block %}{% endif %}{{ block }}{% endfor %}{% if add_generation_prompt %}{{ '<|head|>assistant<|tail|>\\n\\n' }}{% endif %}"""

SHAPES["zephyr_blocks"] = """\
{% for turn in messages %}
{% if turn['role'] in ['user', 'system'] %}
{{ '<|' + turn['role'] + '|>\\n' + turn['content'] + eos_token }}
{% elif turn['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + turn['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

SHAPES["mistral_tool_calls"] = """\
{%- if messages[0]["role"] == "system" %}
    {%- set preamble = messages[0]["content"] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set questions = turns | selectattr("role", "equalto", "user") | list %}
{#- Calls and their results stand between a question and its answer. #}
{%- set state = namespace(index=0) %}
{%- for turn in turns %}
    {%- if not (turn.role == "tool" or turn.role == "tool_results" or (turn.tool_calls is defined and turn.tool_calls is not none)) %}
        {%- if (turn["role"] == "user") != (state.index % 2 == 0) %}
            {{- raise_exception("user and assistant take turns, after the system message") }}
        {%- endif %}
        {%- set state.index = state.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for turn in turns %}
    {%- if turn["role"] == "user" %}
        {%- if tools is not none and (turn == questions[-1]) %}
            {{- "[TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, value in tool.items() if key != "return" %}
                    {%- if value is string %}
                        {{- '"' + key + '": "' + value + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + value | tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/TOOLS]" }}
        {%- endif %}
        {%- if loop.last and preamble is defined %}
            {{- "[INST] " + preamble + "\\n\\n" + turn["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + turn["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif turn.tool_calls is defined and turn.tool_calls is not none %}
        {{- "[CALLS] [" }}
        {%- for call in turn.tool_calls %}
            {%- set out = call.function | tojson %}
            {{- out[:-1] }}
            {%- if not call.id is defined or call.id | length > 9 %}
                {{- raise_exception("a call needs an id of at most 9 characters") }}
            {%- endif %}
            {{- ', "id": "' + call.id + '"}' }}
            {{- ", " if not loop.last else "]" + eos_token }}
        {%- endfor %}
    {%- elif turn["role"] == "assistant" %}
        {{- " " + turn["content"] | trim + eos_token }}
    {%- elif turn["role"] == "tool_results" or turn["role"] == "tool" %}
        {%- if turn.content is defined and turn.content.content is defined %}
            {%- set content = turn.content.content %}
        {%- else %}
            {%- set content = turn.content %}
        {%- endif %}
        {{- '[RESULTS] {"content": ' + content | string + ", " }}
        {{- '"call_id": "' + turn.tool_call_id | default('none') + '"}[/RESULTS]' }}
    {%- else %}
        {{- raise_exception("only user, assistant, system and tool may speak") }}
    {%- endif %}
{%- endfor %}
"""

SHAPES["smollm3_system_flags"] = """\
{# Who is told what: defaults first. #}
{%- if enable_thinking is not defined -%}
{%- set enable_thinking = true -%}
{%- endif -%}
{%- set mode = "/think" if enable_thinking else "/no_think" -%}
{%- set custom = "" -%}
{%- if messages and messages[0].role == "system" -%}
  {%- set text = messages[0].content -%}
  {%- if "/no_think" in text -%}
    {%- set mode = "/no_think" -%}
  {%- elif "/think" in text -%}
    {%- set mode = "/think" -%}
  {%- endif -%}
  {%- set custom = text.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{%- if messages and messages[0].role == "system" and "/override" in messages[0].content -%}
  {{- "<|s|>system\\n" ~ custom.replace("/override", "").rstrip() ~ "<|e|>\\n" -}}
{%- else -%}
  {{- "<|s|>system\\n## About\\n\\n" -}}
  {%- set today = date_string | default("31 May 2025") -%}
  {{- "Date: " ~ today ~ "\\nMode: " ~ mode ~ "\\n\\n" -}}
  {%- if custom -%}
    {{- "## Also\\n\\n" ~ custom ~ "\\n\\n" -}}
  {%- elif mode == "/think" -%}
    {{- "## Also\\n\\nThink between <think> and </think>.\\n\\n" -}}
  {%- endif -%}
  {%- if xml_tools or python_tools or tools -%}
    {%- set ns = namespace(lines="") -%}
    {%- for tool in (xml_tools or tools or []) -%}
      {%- set ns.lines = ns.lines ~ (tool | string) ~ "\\n" -%}
    {%- endfor -%}
    {{- "### Tools\\n\\n<tools>\\n" ~ ns.lines ~ "</tools>\\n" -}}
  {%- endif -%}
  {{- "<|e|>\\n" -}}
{%- endif -%}
{%- for m in messages -%}
  {%- set content = m.content if m.content is string else "" -%}
  {%- if m.role == "user" -%}
    {{ "<|s|>" + m.role + "\\n" + content + "<|e|>\\n" }}
  {%- elif m.role == "assistant" -%}
    {%- generation -%}
    {%- if mode == "/think" -%}
      {{ "<|s|>assistant\\n" + content.lstrip("\\n") + "<|e|>\\n" }}
    {%- else -%}
      {{ "<|s|>assistant\\n" + "<think>\\n\\n</think>\\n" + content.lstrip("\\n") + "<|e|>\\n" }}
    {%- endif -%}
    {%- endgeneration -%}
  {%- elif m.role == "tool" -%}
    {{ "<|s|>" + "user\\n" + content + "<|e|>\\n" }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{ "<|s|>assistant\\n" if mode == "/think" else "<|s|>assistant\\n<think>\\n\\n</think>\\n" }}
{%- endif -%}
"""

SHAPES["command_sections"] = """\
{%- macro document_turn(documents) -%}
<results>
{% for document in documents -%}
{{ "%d: " | format(loop.index0) }}{% for key, value in document.items() %}{% if key != 'id' %}{{ key | title }}: {{ value }}{{ "" if loop.last else "\\n" }}{% endif %}{% endfor %}

{% endfor -%}
</results>
{%- endmacro -%}
{%- macro tool_list(tools, heading='# Tools') -%}
{{ heading }}{% for group in tools | groupby('type') %}

## {{ group.grouper | capitalize }} ({{ group.list | length }})
{% for tool in group.list | sort(attribute='function.name') -%}
- {{ tool.function.name }}{% if tool.function.description is defined %}: {{ tool.function.description | truncate(20) }}{% endif %}

{% endfor -%}
{% endfor -%}
{%- endmacro -%}
{{ bos_token }}<|system|>{% if messages and messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{{ messages[0]['content'] }}{% else %}{% set rest = messages %}# Style
Answer in whole sentences.{% endif %}
{%- if tools %}

{{ tool_list(tools) }}
{%- endif %}
{%- if documents %}

{{ document_turn(documents) }}
{%- endif %}<|/system|>
{%- for turn in rest %}
{%- if (turn.role == 'user') and loop.previtem is defined and loop.previtem.role == 'user' %}{{ raise_exception('two questions in a row: ' ~ turn.content) }}{% endif -%}
{%- if loop.changed(turn.role) %}<|{{ turn.role }}|>{% else %}<|+|>{% endif -%}
{%- if turn.content is string %}{{ turn.content.strip() }}{% elif turn.content %}{% for part in turn.content if part.type == 'text' %}{{ part.text | trim }}{{ '' if loop.last else ' ' }}{% endfor %}{% endif -%}
{%- for call in turn.tool_calls | default([], true) %}
{{ '```json\\n' ~ {'tool': call.function.name, 'parameters': call.function.arguments} | tojson(indent=4) ~ '\\n```' }}
{%- endfor -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""

SHAPES["granite_thinking"] = """\
{%- set thinking = enable_thinking | default(false) -%}
{%- set flags = [] if controls is not defined else (controls if controls is not mapping else controls | list) -%}
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set system, turns = messages[0]['content'], messages[1:] -%}
{%- else -%}
{%- set system, turns = "Today is {}.".format(date_string | default('some day')), messages -%}
{%- if tools and documents %}{% set system = system ~ " Documents and tools are below." %}{% endif -%}
{%- if thinking %}{% set system = system ~ "\\nReason first." %}{% endif -%}
{%- for flag in flags | map('lower') | unique | sort %}{% set system = system ~ flag %}{% endfor -%}
{%- endif -%}
<r>system</r>{{ system }}<e>
{% for tool in tools or [] -%}
<r>tool {{ loop.index }}/{{ loop.length }}</r>{{ tool | tojson(indent=4) }}<e>
{% endfor -%}
{%- for document in documents or [] -%}
<r>document {"id": "{{ document.id | default(loop.index) }}"}</r>{{ document.title ~ '\\n' if document.title }}{{ document.text }}<e>
{% endfor -%}
{%- for turn in turns recursive -%}
{%- if turn.content is string or turn.content is none -%}
<r>{{ turn.role }}</r>{{ (turn.content or '') + '<e>' }}
{% else -%}
<r>{{ turn.role }}:{{ loop.depth }}</r>{% for part in turn.content %}{{ part.text or '(' ~ part.type ~ ')' }}{{ '|' if not loop.last }}{% endfor %}<e>
{% endif -%}
{%- for call in turn.tool_calls or [] -%}
{{ loop.index0 }}>{{ call.function.arguments.items() | list | tojson }} {{ '%s=%s' % (call.function.name, call.id | d('-')) }}
{% endfor -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<r>assistant{% if flags %} {{ {'controls': flags | join(' ')} | tojson }}{% endif %}</r>{{ '<think>' if thinking }}
{%- endif -%}
"""

SHAPES["qwen3_later_turns"] = """\
{%- macro show(content, images) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- elif content is iterable and content is not mapping -%}
        {%- for part in content -%}
            {%- if 'image' in part or part.type == 'image' -%}
                {%- set images.count = images.count + 1 -%}
                <image {{ images.count }}>
            {%- elif 'text' in part -%}
                {{- part.text -}}
            {%- endif -%}
        {%- endfor -%}
    {%- elif content is none or content is undefined -%}
        {{- '' -}}
    {%- else -%}
        {{- raise_exception('a content of an unexpected type') -}}
    {%- endif -%}
{%- endmacro -%}
{%- set images = namespace(count=0) -%}
{%- if not messages -%}{{- raise_exception('no messages') -}}{%- endif -%}
{%- set last = namespace(user=-1) -%}
{%- for turn in messages | reverse -%}
    {%- if last.user < 0 and turn.role == 'user' -%}
        {%- set last.user = messages | length - loop.index -%}
    {%- endif -%}
{%- endfor -%}
{%- for turn in messages -%}
    {%- set content = show(turn.content, images) | trim -%}
    {%- if turn.role == 'assistant' and loop.index0 > last.user -%}
        {%- set parts = content.partition('</think>') -%}
        {{- '<|im|>assistant\\n<think>' ~ (turn.reasoning_content or parts[0].split('<think>') | last) | trim ~ '</think>' ~ (parts[2] if parts[1] else content) | trim -}}
    {%- else -%}
        {{- '<|im|>' ~ turn.role ~ '\\n' ~ content.split('</think>')[-1].lstrip('\\n') -}}
    {%- endif -%}
    {%- if turn.tool_calls and turn.tool_calls is iterable and turn.tool_calls is not mapping -%}
        {%- for call in turn.tool_calls -%}
            {{- '\\n<call ' ~ call.function.name ~ '>' -}}
            {%- for name, value in call.function.arguments | items -%}
                {{- '<' ~ name ~ '>' ~ (value | tojson if value is mapping or (value is sequence and value is not string) else value | string) ~ '</' ~ name ~ '>' -}}
            {%- endfor -%}
            {{- '</call>' -}}
        {%- endfor -%}
    {%- endif -%}
    {{- '<|end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im|>assistant\\n' ~ ('<think>\\n\\n</think>\\n\\n' if enable_thinking is defined and enable_thinking is false else '<think>\\n') -}}
{%- endif -%}
"""
