Console.WriteLine("lighthouse");
