"""What an agent may do: plain functions, exposed as LangChain tools."""
